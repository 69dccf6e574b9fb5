package fetch

import (
	"fmt"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
)

// A log can be cut and grow past the position of a reader: a leader that was elected uncleanly lacks the last records. Its offsets
// stand for other records then, and only the leader epoch tells. So a reader asks a leader that is new to a partition for the end of
// the epoch that was read last, before it reads on (KIP-320).

// doubt notes that the log of a partition is to be compared with the position before it is read. f.mu is held.
func (p *partition) doubt() { p.doubted = p.nextEpoch >= 0 && p.nextEpoch != p.epoch }

// compare asks the leader about the partitions whose position is in doubt. It reports whether there were any.
func (r *reader) compare() bool {
	parts, queries, addr := r.doubted()
	if len(parts) == 0 {
		return false
	}
	ends, err := r.link.epochEnds(addr, queries)
	results := make([]error, len(parts))
	if err == nil {
		for i, p := range parts {
			results[i] = r.check(p, queries[p.tp], ends)
		}
	}
	f := r.fetcher
	if f.ctx.Err() != nil {
		return true
	}
	r.outage.Note(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range parts {
		p.inFlight = false
		truncated, ok := results[i].(*broker.TruncatedError) //nolint:errorlint // check wraps it in nothing
		switch {
		case p.dropped:
		case err != nil:
			f.fail(p.partition, err)
		case ok:
			f.end(p.partition, truncated)
		case results[i] != nil:
			f.fail(p.partition, results[i])
		default:
			p.doubted = false
		}
	}
	f.wakeReaders()
	return true
}

// doubted returns the partitions to ask about, and marks them as being asked for.
func (r *reader) doubted() (parts []asked, queries map[broker.TopicPartition]wire.EpochQuery, addr string) {
	f := r.fetcher
	f.mu.Lock()
	defer f.mu.Unlock()
	first := r
	if r.first != nil {
		if first = r.first; !first.busy {
			return nil, nil, ""
		}
	}
	for _, p := range f.partitions {
		if p.leader != r.id || p.inFlight || !p.doubted {
			continue
		}
		if queries == nil {
			queries = make(map[broker.TopicPartition]wire.EpochQuery)
		}
		p.inFlight = true
		parts = append(parts, asked{partition: p, offset: p.next})
		queries[p.tp] = wire.EpochQuery{Current: p.epoch, Epoch: p.nextEpoch}
	}
	return parts, queries, first.addr
}

// check compares the answer of a leader with a position. The error is a *broker.TruncatedError if the log is another one. A leader that does not know the
// epoch says nothing about the records.
func (r *reader) check(p asked, query wire.EpochQuery, ends map[broker.TopicPartition]wire.EpochEnd) error {
	end, ok := ends[p.tp]
	switch {
	case ends == nil: // the broker does not answer such questions
		return nil
	case !ok:
		return sarama.ErrIncompleteResponse
	case end.Code != sarama.ErrNoError:
		return end.Code
	case end.Epoch < 0, end.Offset < 0, end.Offset >= p.offset:
		return nil
	}
	earliest, last, err := r.bounds(p.tp)
	if err != nil {
		return err
	}
	if end.Offset < earliest { // retention has removed what could tell
		return nil
	}
	return &broker.TruncatedError{
		OffsetOutOfRangeError: broker.OffsetOutOfRangeError{TopicPartition: p.tp, Offset: p.offset, Earliest: earliest, End: last},
		LeaderEpoch:           query.Epoch, Kept: end.Offset, KeptEpoch: end.Epoch,
	}
}

// bounds returns the first offset of a partition, and its end for a reader of committed records.
func (r *reader) bounds(tp broker.TopicPartition) (earliest, end int64, err error) {
	bounds := [2]int64{}
	for i, at := range []broker.OffsetAt{broker.Earliest, broker.End} {
		found, err := conn.ListOffsets(r.link.Broker, at, []broker.TopicPartition{tp})
		if err == nil {
			err = found[tp].Err
		}
		if err != nil {
			return 0, 0, fmt.Errorf("look up offsets: %w", err)
		}
		bounds[i] = found[tp].Offset
	}
	return bounds[0], bounds[1], nil
}

// epochEnds asks the broker at addr for the ends of leader epochs. ends are nil if it does not know the request.
func (l *fetchLink) epochEnds(addr string, queries map[broker.TopicPartition]wire.EpochQuery) (ends map[broker.TopicPartition]wire.EpochEnd, err error) {
	if err := l.connect(addr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	versions, err := l.ApiVersions(&sarama.ApiVersionsRequest{})
	if err != nil {
		return nil, err
	}
	for _, key := range versions.ApiKeys {
		if key.ApiKey == wire.EpochEndsKey && key.MinVersion <= wire.EpochEndsVersion && key.MaxVersion >= wire.EpochEndsVersion {
			return l.tap.Load().EpochEnds(l.conf.ClientID, queries)
		}
	}
	return nil, nil
}
