"""Reading what comes in: pullbacks from DICOM and pictures, and the contours found beside them."""
