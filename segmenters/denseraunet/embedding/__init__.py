"""What the network has learnt, as features: its bottleneck, pooled."""
