package fetch

import (
	"fmt"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker/conn"
	"github.com/weirstreams/weir/internal/broker/saramabroker/wire"
	"github.com/weirstreams/weir/internal/wake"
)

// reader is a goroutine that fetches from one broker, over one connection. There are two per broker: the first asks for
// everything, and the broker may hold its request open for FetcherConfig.MaxWait while there is nothing new. The second
// is there for partitions that are to be read meanwhile (started, resumed, or with room in their queues again); it
// asks for them without waiting, once, and then leaves them to the first.
type reader struct {
	fetcher *fetcher
	id      int32
	kick    wake.Signal // there may be something to ask for
	first   *reader     // of the second; nil for the first
	second  *reader     // of the first

	// Guarded by fetcher.mu, and the first reader's only.
	addr string
	busy bool // a request is on its way

	// The following fields belong to the goroutine.
	link   *fetchLink
	outage conn.Outage
	decode *wire.Decoder
}

// newReaders makes both readers of a broker.
func newReaders(f *fetcher, leader conn.Leader) *reader {
	one := func(first *reader) *reader {
		return &reader{
			fetcher: f, id: leader.ID, first: first,
			kick:   wake.New(),
			link:   newFetchLink(f.conns, f.conf),
			outage: conn.NewOutage(f.log, fmt.Sprintf("fetch from broker %d at %s", leader.ID, leader.Addr)),
			decode: wire.NewDecoder(),
		}
	}
	first := one(nil)
	first.second = one(first)
	return first
}

// wake makes both readers look for something to ask for. It is a method of the first.
func (r *reader) wake() {
	r.kick.Notify()
	r.second.kick.Notify()
}

// asked is a partition in a request, as it was when the request was made.
type asked struct {
	*partition
	offset int64
	size   int
}

func (r *reader) run() {
	defer r.link.close()
	f := r.fetcher
	for f.ctx.Err() == nil {
		if r.compare() {
			continue
		}
		request, parts, reserved, addr := r.compose()
		if len(parts) == 0 {
			select {
			case <-r.kick:
			case <-f.ctx.Done():
			}
			continue
		}
		response, sets, err := r.link.fetch(addr, request)
		if f.ctx.Err() != nil {
			return
		}
		r.outage.Note(err)
		r.accept(parts, response, sets, err, reserved)
	}
}

// compose makes a request of all partitions that may be asked for. It returns none if there are none.
func (r *reader) compose() (request *sarama.FetchRequest, parts []asked, reserved int, addr string) {
	f := r.fetcher
	f.mu.Lock()
	defer f.mu.Unlock()

	first, urgent := r, false
	if r.first != nil {
		first, urgent = r.first, true
		if !first.busy { // which is awake as well, and sees to everything
			return nil, nil, 0, ""
		}
	}
	share := f.bufferBytes / max(len(f.partitions), 1)
	size := min(max(share/2, minFetch), maxFetch)
	left := f.bufferBytes - f.used - f.reserved
	for _, p := range f.partitions {
		switch {
		case p.leader != r.id, p.inFlight, p.paused, p.doubted, urgent && p.cold:
		case p.queued > 0 && (p.queued >= share/2 || left <= 0), p.held > 0 && left <= 0:
		default:
			parts = append(parts, asked{partition: p, offset: p.next, size: max(size, p.size)})
		}
	}
	if len(parts) == 0 {
		return nil, nil, 0, ""
	}
	request = &sarama.FetchRequest{
		Version: 12, Isolation: sarama.ReadCommitted, MinBytes: 1,
		SessionEpoch: -1, // no fetch session
	}
	if !urgent {
		first.busy = true
		request.MaxWaitTime = int32(f.maxWait.Milliseconds())
	}
	largest := 0
	for _, p := range parts {
		p.inFlight = true
		request.AddBlock(p.tp.Topic, p.tp.Partition, p.offset, int32(p.size), p.epoch)
		reserved += p.size
		largest = max(largest, p.size)
	}
	reserved = max(min(reserved, left, maxResponse), largest)
	request.MaxBytes = int32(reserved)
	f.reserved += reserved
	return request, parts, reserved, first.addr
}

// accept takes the answer of a request, or its error.
func (r *reader) accept(parts []asked, response *sarama.FetchResponse, sets wire.RecordSets, err error, reserved int) {
	f := r.fetcher
	results := make([]wire.Decoded, len(parts))
	if err == nil {
		for i, p := range parts {
			results[i] = r.result(p, response.GetBlock(p.tp.Topic, p.tp.Partition), sets)
		}
	}
	sets.Free() // what nobody took
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reserved -= reserved
	r.busy = false
	for i, p := range parts {
		p.inFlight = false
		switch result := results[i]; {
		case p.dropped:
			result.Free()
		case err != nil:
			f.fail(p.partition, err)
		case result.Err != nil && (result.Final || f.isLasting(p.partition, result.Err)):
			refused := result.Err
			if code, ok := refused.(sarama.KError); ok { //nolint:errorlint // an error that wraps it names the partition
				refused = fmt.Errorf("fetch %s: %w", p.tp, code)
			}
			f.end(p.partition, refused)
		case result.Err != nil:
			f.fail(p.partition, result.Err)
		default:
			f.succeed(p.partition)
			f.deliver(p, result)
		}
	}
	// The other readers may have left partitions alone because of bytes reserved here.
	f.wakeReaders()
}

// deliver queues the result of a partition. f.mu is held.
func (f *fetcher) deliver(p asked, result wire.Decoded) {
	if result.Partial && p.size >= maxGrown {
		f.end(p.partition, fmt.Errorf("fetch %s: the batch at offset %d is larger than %d bytes", p.tp, p.offset, maxGrown))
		return
	}
	if result.Partial {
		p.partition.size = min(max(2*p.size, minFetch, result.Needed), maxGrown)
	} else if len(result.Records) > 0 {
		p.partition.size = 0
	}
	moved := result.Next > p.next
	p.cold = !moved && !result.Partial
	if !moved && p.seen {
		return
	}
	p.seen = true
	if moved {
		p.next, p.nextEpoch = result.Next, result.LeaderEpoch
	}
	f.give(p.partition, fetched{
		memory: result.Memory,
		bytes:  result.Bytes(),
		batch:  &broker.Batch{TopicPartition: p.tp, Records: result.Records, NextOffset: p.next, LeaderEpoch: p.nextEpoch, EndOffset: result.End},
	})
}

// result reads the part of a response that belongs to a partition.
func (r *reader) result(p asked, block *sarama.FetchResponseBlock, sets wire.RecordSets) wire.Decoded {
	switch {
	case block == nil:
		return wire.Decoded{Err: sarama.ErrIncompleteResponse}
	case block.Err == sarama.ErrNoError:
		set := sets[p.tp]
		delete(sets, p.tp)
		result := r.decode.Block(block, set, p.offset)
		if result.Err != nil {
			result.Err = fmt.Errorf("fetch %s: %w", p.tp, result.Err)
		}
		return result
	case block.Err == sarama.ErrOffsetOutOfRange:
		return r.outOfRange(p)
	default:
		return wire.Decoded{Err: block.Err}
	}
}

// outOfRange finds out which offsets a partition has.
func (r *reader) outOfRange(p asked) wire.Decoded {
	tp := p.tp
	earliest, end, err := r.bounds(tp)
	if err != nil {
		return wire.Decoded{Err: err}
	}
	if earliest <= p.offset && p.offset <= end {
		return wire.Decoded{Err: sarama.ErrOffsetOutOfRange} // a leader that is not up to date yet
	}
	return wire.Decoded{Final: true, Err: &broker.OffsetOutOfRangeError{
		TopicPartition: tp, Offset: p.offset, Earliest: earliest, End: end,
	}}
}
