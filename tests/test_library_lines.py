"""What libraries write to stderr by themselves goes into our messages, with the file's name."""

import os
import threading

import pytest

from util.errors import ResourceError, UserError
from util.library_lines import lines_of_libraries


def write(text: str) -> None:
    os.write(2, text.encode())


def test_an_error_ends_with_the_first_line(capfd) -> None:
    with (
        pytest.raises(UserError, match=r"^a\.png is damaged \(libpng error: bad filter\)$"),
        lines_of_libraries("a.png"),
    ):
        write("\na.png: libpng error: bad filter\nmore\n")
        raise UserError("a.png is damaged")
    write("after")
    assert capfd.readouterr().err == "after"


@pytest.mark.parametrize(
    "start", ["[ WARN:0@3.357] global grfmt_png.cpp:793 read ", "[avi @ 0x55cdb026ee00] "]
)
def test_a_file_that_is_read_all_the_same_is_named_once(start: str, capfd) -> None:
    for _ in range(2):
        with lines_of_libraries(f"b{len(start)}.png"):
            write(f"{start}is incomplete\n")
    assert capfd.readouterr().err == f"note: b{len(start)}.png: is incomplete\n"


def test_other_errors_and_silence_pass(capfd) -> None:
    with pytest.raises(ValueError, match=r"^no\b") as caught, lines_of_libraries("c.png"):
        write("line\n")
        raise ValueError("no")
    assert caught.value.__notes__ == ["c.png: line"]
    with lines_of_libraries("c.png"):
        pass
    assert capfd.readouterr().err == ""


def test_the_kind_and_the_notes_of_an_error_stay() -> None:
    short, cause = ResourceError("out of memory"), MemoryError()
    short.add_note("saved")
    with pytest.raises(ResourceError, match=r"memory \(line\)\nsaved$") as caught, lines_of_libraries("h"):
        write("line\n")
        raise short from cause
    assert (caught.value.status, caught.value.__notes__) == (1, ["saved"])
    assert caught.value.__cause__ is cause


def test_more_than_a_pipe_holds_does_not_wait() -> None:
    with pytest.raises(UserError, match=r"^d \(x{160}\.\.\.\)$"), lines_of_libraries("d"):
        os.write(2, b"x" * (1 << 20))
        raise UserError("d")


def test_lines_of_threads_go_on_as_they_are(capfd) -> None:
    inside, written = threading.Event(), threading.Event()

    def other() -> None:
        with lines_of_libraries("e"):
            inside.set()
            written.wait(5)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(5)
    with lines_of_libraries("f"):
        write("of one of both\n")
    written.set()
    thread.join()
    with lines_of_libraries("g"):
        write("of g\n")
    assert capfd.readouterr().err == "of one of both\nnote: g: of g\n"
