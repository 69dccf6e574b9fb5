package operator

import (
	"encoding/binary"

	"github.com/weirstreams/weir"
)

// heldOrigin is the place of the input record that a join keeps. The partition is that of the task.
type heldOrigin struct {
	Topic                     string
	Offset, Size, LeaderEpoch int64
}

func newHeldOrigin(o *weir.Origin) heldOrigin {
	return heldOrigin{Topic: o.Topic, Offset: o.Offset, Size: int64(o.Size), LeaderEpoch: int64(o.LeaderEpoch)}
}

// origin returns the place, in a partition.
func (o *heldOrigin) origin(partition int32) weir.Origin {
	return weir.Origin{Topic: o.Topic, Partition: partition, Offset: o.Offset, Size: int(o.Size), LeaderEpoch: int32(o.LeaderEpoch)}
}

func (o *heldOrigin) append(dst []byte) []byte {
	dst = binary.AppendVarint(dst, o.Offset)
	dst = binary.AppendVarint(dst, o.Size)
	dst = binary.AppendVarint(dst, o.LeaderEpoch)
	dst = binary.AppendUvarint(dst, uint64(len(o.Topic)))
	return append(dst, o.Topic...)
}

func (o *heldOrigin) decode(data []byte) (rest []byte, err error) {
	for _, to := range []*int64{&o.Offset, &o.Size, &o.LeaderEpoch} {
		value, n := binary.Varint(data)
		if n <= 0 {
			return nil, errHeld
		}
		*to, data = value, data[n:]
	}
	length, n := binary.Uvarint(data)
	if n <= 0 || length > uint64(len(data)-n) {
		return nil, errHeld
	}
	o.Topic = string(data[n : n+int(length)])
	return data[n+int(length):], nil
}
