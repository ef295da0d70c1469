"""Try what goes wrong, and count what held: hostile files, kills, full disks, two at once, flags."""
