"""What a program that the tests start finds when it looks for pandas: as on a device, nothing.

The oracles bring pandas into this environment, and sqlite-utils imports it wherever it finds it.
"""

raise ImportError("no pandas, as on a device")
