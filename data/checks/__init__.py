"""What `python -m data.check` looks at: one file per layout, <name>_check.py with class <Name>Check."""
