"""Golden checks: each module exports CHECKS, file-name prefix -> function(npz) that asserts."""
