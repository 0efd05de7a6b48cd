"""Envoy's messages, taken from the very Envoy binary that will read them.

Every `FileDescriptorProto` is embedded in the binary; `descriptors` finds them, `pool` makes
classes in a private pool, `messages` names them. No generated code, no package that lags behind.
"""

from ostiary.protos.pool import pack, type_url

__all__ = ["pack", "type_url"]
