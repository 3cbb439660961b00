"""The network: a U-Net of dense blocks with residual connections and atrous convolutions at the bottleneck.

From arXiv 1907.11392: dense blocks (DenseNet, arXiv 1608.06993), residual connections, parallel atrous
convolutions at the bottleneck (DeepLab, arXiv 1706.05587), k slices as channels. Ours: every size and rate,
batch norm after the convolution (so that it folds at inference), the folded stem.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input


def build_network(network: DenseRAUnet | BasicUNet, network_input: Input) -> nn.Module:
    """Return the untrained network: (batch, `network_input.channels`, y, x) to logits (batch, 1, y, x)."""
    if isinstance(network, DenseRAUnet):
        return DenseRAUnetModule(network, network_input.channels)
    from monai.networks.nets import BasicUNet as MonaiBasicUNet

    baseline: nn.Module = MonaiBasicUNet(
        spatial_dims=2,
        in_channels=network_input.channels,
        out_channels=1,
        features=network.features,
        norm="batch",
    )
    return baseline


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, ReLU; the side is kept."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, rate: int = 1) -> None:
        padding = rate * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=rate, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class DenseBlock(nn.Module):
    """Layers that each see all before them, fused to the block's width; residual around the whole."""

    def __init__(self, width: int, network: DenseRAUnet) -> None:
        super().__init__()
        growth, layers = network.growth, network.layers
        self.layers = nn.ModuleList(ConvBlock(width + i * growth, growth) for i in range(layers))
        self.fuse = ConvBlock(width + layers * growth, width, kernel=1)
        self.residual = network.residual
        self.excite = _squeeze_excitation(width) if network.squeeze_excitation else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        seen = x
        for layer in self.layers:
            seen = torch.cat([seen, layer(seen)], dim=1)
        fused: torch.Tensor = self.excite(self.fuse(seen))
        return x + fused if self.residual else fused


class AtrousBlock(nn.Module):
    """Parallel atrous convolutions with different rates, fused to the block's width; residual around the whole."""

    def __init__(self, width: int, network: DenseRAUnet) -> None:
        super().__init__()
        part = max(1, width // len(network.atrous_rates))
        self.branches = nn.ModuleList(ConvBlock(width, part, rate=rate) for rate in network.atrous_rates)
        self.fuse = ConvBlock(part * len(network.atrous_rates), width, kernel=1)
        self.residual = network.residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features of the same shape."""
        fused: torch.Tensor = self.fuse(torch.cat([branch(x) for branch in self.branches], dim=1))
        return x + fused if self.residual else fused


class DenseRAUnetModule(nn.Module):
    """Dense U-Net over (batch, channels, y, x), sides divisible by the architecture's `divisor`."""

    head_width = 8

    def __init__(self, network: DenseRAUnet, inputs: int) -> None:
        super().__init__()
        widths, stride = network.channels, network.stem_stride
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(stride), nn.PixelShuffle(stride)
        self.stem = ConvBlock(inputs * stride**2, widths[0])
        self.encoder = nn.ModuleList(DenseBlock(width, network) for width in widths)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(ConvBlock(wide, narrow) for wide, narrow in pairs)
        self.atrous = AtrousBlock(widths[-1], network)
        self.up = nn.ModuleList(ConvBlock(low + high, high) for high, low in pairs)
        self.decoder = nn.ModuleList(DenseBlock(width, network) for width in widths[:-1])
        self.expand = ConvBlock(widths[0], self.head_width * stride**2)
        self.refine = ConvBlock(self.head_width + inputs, 2 * self.head_width)
        self.head = nn.Conv2d(2 * self.head_width, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits, (batch, 1, y, x)."""
        return self.decode(image, *self.encode(image))

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return what the narrowest level makes of it, (batch, channels, y / divisor, x / divisor), and the skips."""
        x = self.encoder[0](self.stem(self.unshuffle(image)))
        skips = []
        for down, block in zip(self.down, self.encoder[1:], strict=True):
            skips.append(x)
            x = block(down(nn.functional.max_pool2d(x, 2)))
        return self.atrous(x), skips

    def decode(self, image: torch.Tensor, narrowest: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
        """Return the logits of what was encoded."""
        x = narrowest
        for up, block, skip in reversed(list(zip(self.up, self.decoder, skips, strict=True))):
            x = block(up(torch.cat([nn.functional.interpolate(x, scale_factor=2), skip], dim=1)))
        fine = torch.cat([self.shuffle(self.expand(x)), image], dim=1)
        logits: torch.Tensor = self.head(self.refine(fine))
        return logits


def _squeeze_excitation(width: int) -> nn.Module:
    from monai.networks.blocks import ChannelSELayer

    layer: nn.Module = ChannelSELayer(spatial_dims=2, in_channels=width, r=min(4, width))
    return layer
