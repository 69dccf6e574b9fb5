package progress

import "github.com/weirstreams/weir/internal/broker"

// An offset alone does not tell two courses of a log apart: a leader that was elected uncleanly lacks the last records, and writes
// others at their offsets. So commits carry the leader epoch of the log before the offset, and the fetcher compares both with the log
// before it reads on (KIP-320).

// epochs are the leader epochs of a log around the positions of a task, in order.
type epochs []epochStart

// epochStart says that offsets from from on have an epoch, up to the next start.
type epochStart struct {
	from  int64
	epoch int32
}

// note adds that offsets from one on have an epoch. Offsets and epochs of a log only grow.
func (e *epochs) note(from int64, epoch int32) {
	if n := len(*e); epoch >= 0 && (n == 0 || (*e)[n-1].epoch < epoch) {
		*e = append(*e, epochStart{from, epoch})
	}
}

// at returns the epoch to commit with an offset: that of the record there if it is known, as markers of transactions and compacted
// records before it may have it already, and else that of the log before the offset.
func (e epochs) at(offset int64) int32 {
	epoch := int32(broker.NoLeaderEpoch)
	for _, start := range e {
		if start.from <= offset {
			epoch = start.epoch
		}
	}
	return epoch
}

// forget drops epochs that end before an offset.
func (e *epochs) forget(before int64) {
	for len(*e) > 1 && (*e)[1].from <= before {
		*e = (*e)[1:]
	}
}

// Fetched notes the leader epochs of a batch of the input.
func (in *Input) Fetched(b *broker.Batch) {
	e := in.epochs[b.Topic]
	known := len(e)
	if n := len(b.Records); n > 0 && (known == 0 || b.Records[n-1].LeaderEpoch > e[known-1].epoch) {
		for i := range b.Records {
			e.note(b.Records[i].Offset, b.Records[i].LeaderEpoch)
		}
	}
	e.note(b.NextOffset, b.LeaderEpoch)
	if len(e) > known {
		in.epochs[b.Topic] = e
	}
}

// NoteEpoch notes the leader epoch of the log before the position in a topic.
func (in *Input) NoteEpoch(topic string, epoch int32) {
	e := in.epochs[topic]
	e.note(in.Next[topic], epoch)
	in.epochs[topic] = e
}

// LeaderEpoch returns the leader epoch of the log before the position in a topic, or broker.NoLeaderEpoch.
func (in *Input) LeaderEpoch(topic string) int32 { return in.epochs[topic].at(in.Next[topic]) }

// Jump moves the position in a topic without reading, so that the epoch of the log before it is not known any more.
func (in *Input) Jump(topic string, position int64) {
	if position != in.Next[topic] {
		delete(in.epochs, topic)
	}
	in.Next[topic] = position
}
