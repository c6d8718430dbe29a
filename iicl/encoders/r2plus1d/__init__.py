"""R(2+1)D on video (paper III-A and IV-B)."""
