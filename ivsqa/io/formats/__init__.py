"""File formats that packets and sources share."""
