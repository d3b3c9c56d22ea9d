"""Everything that goes to a printer: made here, or checked here before it is printed.

`labels` draws our own shipping label, `documents` the pick list and the packing slip; `pdf` checks and joins finished
pages, also those of carriers; `refusals` is what all of them raise. Other packages import from these four; `sheet` and
`text` are what they draw with. Importing loads neither reportlab nor PDFium; any function may be called from any thread.
"""
