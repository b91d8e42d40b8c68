"""Problems of one's own, one file each, to read and to copy: `reasonlab evolve FILE`."""
