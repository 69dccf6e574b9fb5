package redis

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/url"
	"strconv"

	"github.com/weirstreams/weir/sink"
)

const nameSize = 16

// once names the records of a task, so that Redis can tell which of them are written. A record is written if its name is not in the marker of its input
// partition, a sorted set of names by offsets. Names of offsets in front of the checkpoint are removed first, because their records do not come again; a
// timer may make a record with such an offset, and it is written therefore.
type once struct {
	prefix  string // of the names of markers
	cluster bool

	checkpoint sink.Checkpoint
	// counts tells equal results of one input record apart: before has those of the flushes since the input begins where it does, and
	// added those since the last flush.
	before, added map[[nameSize]byte]int
	// claimed are the slots whose markers this writer has claimed, for its epoch.
	claimed map[int]bool
}

func newOnce(task sink.Task, prefix string, cluster bool) *once {
	for _, part := range []string{task.Application, task.SubTopology, task.Sink, strconv.Itoa(int(task.Partition))} {
		prefix += url.QueryEscape(part) + ":" // no part has a colon or a brace then
	}
	return &once{prefix: prefix, cluster: cluster, before: map[[nameSize]byte]int{}, added: map[[nameSize]byte]int{}, claimed: map[int]bool{}}
}

// name names an item.
func (o *once) name(i *item) (name [nameSize]byte) {
	h := sha256.New()
	text := func(s []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(s)))
		h.Write(size[:])
		h.Write(s)
	}
	text([]byte(i.origin.Topic))
	text(fmt.Appendf(nil, "%d %d", i.origin.Partition, i.origin.Offset))
	for _, c := range i.commands {
		text(strconv.AppendInt(nil, int64(len(c)), 10))
		for _, a := range c {
			switch v := a.(type) {
			case string:
				text([]byte(v))
			case []byte:
				text(v)
			default:
				text(fmt.Append(nil, v))
			}
		}
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	copy(name[:], sum[:])
	n := o.before[name] + o.added[name]
	o.added[name]++
	if n == 0 {
		return name
	}
	sum = sha256.Sum256(binary.BigEndian.AppendUint64(name[:], uint64(n)))
	copy(name[:], sum[:])
	return name
}

// begin begins a flush.
func (o *once) begin(c sink.Checkpoint) {
	same := len(c.Positions) == len(o.checkpoint.Positions)
	for i := 0; same && i < len(c.Positions); i++ {
		a, b := &c.Positions[i], &o.checkpoint.Positions[i]
		same = a.Topic == b.Topic && a.Partition == b.Partition && a.From == b.From
	}
	if !same {
		clear(o.before)
	}
	if c.Epoch != o.checkpoint.Epoch {
		clear(o.claimed)
	}
	o.checkpoint = c
}

// end ends a flush that has written everything.
func (o *once) end() {
	for name, n := range o.added {
		o.before[name] += n
	}
	clear(o.added)
}

// discard forgets what was added: it is going to be added again, with the same names.
func (o *once) discard() {
	clear(o.before)
	clear(o.added)
}

// markers returns the names of the marker of the owner, and of those of the input partitions, in a slot.
func (o *once) markers(slot int) []string {
	prefix := o.prefix
	if o.cluster {
		prefix = "{" + slotTags()[slot] + "}" + prefix
	}
	names := []string{prefix + "owner"}
	for _, p := range o.checkpoint.Positions {
		names = append(names, prefix+"from:"+url.QueryEscape(p.Topic)+":"+strconv.Itoa(int(p.Partition)))
	}
	return names
}

// marker returns the number of the marker of an item, or 0 if the checkpoint does not cover its input partition.
func (o *once) marker(i *item) int {
	for n, p := range o.checkpoint.Positions {
		if p.Topic == i.origin.Topic && p.Partition == i.origin.Partition {
			return n + 1
		}
	}
	return 0
}
