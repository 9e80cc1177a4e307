"""Why a number is wrong: examinations of the machine, of frames, of networks and of accuracies."""
