"""Named nodes where the rooms of the network meet, so that no room knows another.

A room adds its nodes with :meth:`Joins.add`; a later room asks with :meth:`Joins.node`
(exactly one) or :meth:`Joins.nodes` (any number, none if absent).

================== ===================== ====== =============================================
name               level                 made   what lies there
================== ===================== ====== =============================================
segmental_mouth    T1..L5                trunks end of the paraspinal part of segmental vein n.
                                                T1: start of the supreme intercostal; T2-T4:
                                                superior intercostal; T5-T12: azygos, hemiazygos
                                                or accessory hemiazygos; L1-L4: ascending lumbar;
                                                L5: common iliac (mouth of the iliolumbar vein)
ivc_mouth          L3, L4                trunks second mouth of lumbar veins L3 and L4, on the IVC
vertebral_vein     C1 and roots C2..C8   trunks node on the paravertebral plexus beside the foramen
                                                of that root (C2..C6), on the single trunk for C7
                                                and C8; C1: top, above the posterior arch
deep_cervical      roots C2..C8          trunks node on the deep cervical vein at that height
                                                (posterior external plexus of the neck drains here)
jugular_bulb       C1                    trunks top of the internal jugular, where the condylar
                                                vein begins
condylar           C1                    trunks lower end of the posterior condylar vein at C0-C1,
                                                for the foramen magnum network (the suboccipital
                                                node where that vein is absent)
anterior_condylar  C1                    trunks inner end of the anterior condylar vein, in the
                                                hypoglossal canal, for the foramen magnum network
epidural_top       C1                    local  topmost anterior epidural nodes
foramen_medial     root                  local  strands that go on to the epidural columns:
                                                superior, anterior, posterior
foramen_lateral    root                  local  strands that go on to the segmental vein
segmental_junction T1..L5                local  where the foraminal plexus meets segmental vein n
segmental_flank    T1..L5                local  middle of the paraspinal part
segmental_dorsal   T1..L5                local  where the dorsal branch leaves for the back
external_front     C2..S1                local  anterior external plexus at mid-body
================== ===================== ====== =============================================

The foramen of root C8 (C7/T1) opens laterally into the vertebral trunk (``vertebral_vein``,
C8), which runs in front of the transverse process of C7. All trunk joins exist on both sides
in every anatomy, whatever the variant: a missing trunk's mouths move to the trunk that
replaces it.
"""

from dataclasses import dataclass, field

from geometry.errors import GeometryError
from geometry.levels import Level, Side


@dataclass
class Joins:
    """Registry of named nodes, keyed by name, level and side."""

    _nodes: dict[tuple[str, Level, Side], list[int]] = field(default_factory=dict)

    def add(self, name: str, level: Level, side: Side, node: int) -> None:
        """Register `node` under a name; the same key may hold several nodes."""
        self._nodes.setdefault((name, level, side), []).append(node)

    def nodes(self, name: str, level: Level, side: Side) -> tuple[int, ...]:
        """All nodes under this key, in the order in which they were added."""
        return tuple(self._nodes.get((name, level, side), ()))

    def node(self, name: str, level: Level, side: Side) -> int:
        """The one node under this key."""
        found = self.nodes(name, level, side)
        if len(found) != 1:
            raise GeometryError(
                f"join {name} {level.name} {side.name.lower()}: "
                f"one node expected, {len(found)} found"
            )
        return found[0]

    def __getitem__(self, key: tuple[str, Level, Side]) -> int:
        return self.node(*key)

    def keys(self) -> tuple[tuple[str, Level, Side], ...]:
        """All keys that hold a node."""
        return tuple(self._nodes)
