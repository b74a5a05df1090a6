"""What every part of the program may use: files, images, metrics, rendering, devices, logs."""
