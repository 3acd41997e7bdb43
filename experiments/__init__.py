"""Scripts that a person runs, a package of seq2seq-env: the growing-batch experiment, and what makes its parts."""

from seq2seq_env.installation import check_packages

check_packages("agents", "buffers")
