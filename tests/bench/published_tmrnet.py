"""A plain transcription of TMRNet's published forward pass, to time ours against.

All frames at once, contiguous NCHW, torchvision's deformable convolution, the residual branch scaled by 1.0,
everything recomputed where the published code recomputes it. Written as functions of a published state dict.
"""

import torch
import torch.nn.functional as F
from torchvision.ops import deform_conv2d

Parameters = dict[str, torch.Tensor]


def conv(p: Parameters, name: str, x: torch.Tensor, padding: int = 1) -> torch.Tensor:
    return F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], padding=padding)


def body(p: Parameters, name: str, x: torch.Tensor) -> torch.Tensor:
    x = F.leaky_relu(conv(p, f"{name}.main.0", x), 0.1, inplace=True)
    block = 0
    while f"{name}.main.2.{block}.conv1.weight" in p:
        prefix = f"{name}.main.2.{block}"
        out = conv(p, f"{prefix}.conv2", F.relu(conv(p, f"{prefix}.conv1", x), inplace=True))
        x = x + out * 1.0
        block += 1
    return x


def flow_warp(x: torch.Tensor, flow: torch.Tensor, padding_mode: str = "zeros") -> torch.Tensor:
    """Warp (N, C, H, W) by flow (N, H, W, 2)."""
    height, width = x.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack((columns, rows), 2).type_as(x) + flow
    grid_x = 2.0 * grid[..., 0] / max(width - 1, 1) - 1.0
    grid_y = 2.0 * grid[..., 1] / max(height - 1, 1) - 1.0
    return F.grid_sample(x, torch.stack((grid_x, grid_y), 3), padding_mode=padding_mode, align_corners=True)


def spynet(p: Parameters, ref: torch.Tensor, sup: torch.Tensor) -> torch.Tensor:
    height, width = ref.shape[2:]
    size = (-(-height // 32) * 32, -(-width // 32) * 32)
    ref, sup = (F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in (ref, sup))
    refs, sups = [(ref - p["spynet.mean"]) / p["spynet.std"]], [(sup - p["spynet.mean"]) / p["spynet.std"]]
    for _ in range(5):
        refs.append(F.avg_pool2d(refs[-1], 2))
        sups.append(F.avg_pool2d(sups[-1], 2))
    flow = ref.new_zeros(ref.shape[0], 2, size[0] // 32, size[1] // 32)
    for level in range(6):
        if level > 0:
            flow = F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True) * 2.0
        ref_l, sup_l = refs[5 - level], sups[5 - level]
        x = torch.cat((ref_l, flow_warp(sup_l, flow.permute(0, 2, 3, 1), "border"), flow), 1)
        for layer in (0, 2, 4, 6):
            x = F.relu(conv(p, f"spynet.basic_module.{level}.basic_module.{layer}", x, padding=3))
        flow = flow + conv(p, f"spynet.basic_module.{level}.basic_module.8", x, padding=3)
    flow = F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
    return flow * flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)


def align(p: Parameters, feature: torch.Tensor, base: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    x = torch.cat((flow_warp(feature, flow.permute(0, 2, 3, 1)), base, flow), 1)
    for layer in (0, 2, 4):
        x = F.leaky_relu(conv(p, f"dcn_alignment.conv_offset.{layer}", x), 0.1, inplace=True)
    first, second, mask = torch.chunk(conv(p, "dcn_alignment.conv_offset.6", x), 3, dim=1)
    offset = 10 * torch.tanh(torch.cat((first, second), 1))
    offset = offset + flow.flip(1).repeat(1, offset.shape[1] // 2, 1, 1)
    weight, bias = p["dcn_alignment.deform_conv.weight"], p["dcn_alignment.deform_conv.bias"]
    with torch.autocast("cpu", enabled=False):  # the operator has no half precision on the CPU
        arguments = (tensor.float() for tensor in (feature, offset, weight, bias))
        return deform_conv2d(*arguments, padding=1, mask=torch.sigmoid(mask.float()))


def published_forward(p: Parameters, frames: torch.Tensor) -> torch.Tensor:
    """Exposure-normalised frames (N, T, 4, H, W) -> (N, 4, H, W)."""
    batch, number, _, height, width = frames.shape
    coded = torch.stack((frames, frames.clamp(min=0) ** (1 / 2.2)), 3).view(batch * number, 8, height, width)
    features = body(p, "feat_extract", coded).view(batch, number, -1, height, width)
    rgb = torch.stack((frames[:, :, 0], frames[:, :, 1:3].mean(2), frames[:, :, 3]), 2).clamp(0, 1) ** (
        1 / 2.2
    )
    reference = rgb[:, :1].expand(-1, number - 1, -1, -1, -1).reshape(-1, 3, height, width)
    flow = spynet(p, reference, rgb[:, 1:].reshape(-1, 3, height, width))
    base = features[:, :1].expand(-1, number - 1, -1, -1, -1).reshape(batch * (number - 1), -1, height, width)
    others = features[:, 1:].reshape(batch * (number - 1), -1, height, width)
    aligned = align(p, others, base, flow).view(batch, number - 1, -1, height, width)
    aligned = torch.cat((features[:, :1], aligned), 1)
    base = aligned[:, 0]
    state = torch.zeros_like(base)
    for i in range(number):
        state = state + body(p, "backbone.backward", torch.cat((base, aligned[:, i], state), 1))
        specific = body(p, f"backbone.backward_rec_{i + 1}", torch.cat((base, aligned[:, i], state), 1))
        state = state + p["learn_para"][:, i] * specific
    out = body(p, "reconstruction", torch.cat((base, state), 1)) + conv(
        p, "skipup1.upsample_conv", frames[:, 0]
    )
    return conv(p, "conv_last", F.leaky_relu(conv(p, "conv_hr", out), 0.1, inplace=True))
