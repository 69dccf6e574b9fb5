package kinesis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/internal/kinesis"
	"github.com/weirstreams/weir/source"
)

// New returns a source of the records of a data stream. Connect reports mistakes in the options.
func New[K, V any](stream Stream, o Options[K, V]) source.Source[K, V] {
	return &dataStream[K, V]{stream: stream, options: o.withDefaults()}
}

// dataStream is a source.
type dataStream[K, V any] struct {
	stream  Stream
	options Options[K, V]

	client  *kinesis.Client // open between Connect and Close
	created int64           // time at which the data stream was made, in seconds

	mu     sync.Mutex
	shards map[string]types.Shard // by ID, as they were listed last; guarded by mu
}

var (
	_ source.Slotted  = (*dataStream[int, int])(nil)
	_ source.Retrying = (*dataStream[int, int])(nil)
)

// Slots implements [source.Slotted].
func (s *dataStream[K, V]) Slots() int32 { return int32(s.options.Lanes) }

// Retry implements [source.Retrying]: calls that are throttled, or get no answer, are made again without end.
func (*dataStream[K, V]) Retry() weir.Retry {
	return weir.Retry{Attempts: -1, FirstWait: 250 * time.Millisecond, MaxWait: 10 * time.Second, If: web.Again(nil)}
}

// String names the data stream.
func (s *dataStream[K, V]) String() string { return s.stream.String() }

// Connect implements [source.Source]: it checks the options, and finds out whether the data stream can be read.
func (s *dataStream[K, V]) Connect(ctx context.Context) error {
	if err := s.options.check(); err != nil {
		return fmt.Errorf("%w: source kinesis: %w", weir.ErrConfiguration, err)
	}
	client, err := s.stream.Open(ctx)
	if err != nil {
		return fmt.Errorf("source kinesis: %w", err)
	}
	s.client = client
	if err := s.try(ctx); err != nil {
		client.Close()
		return fmt.Errorf("connect to %s: %w", s, err)
	}
	return nil
}

// try makes each call that the source needs.
func (s *dataStream[K, V]) try(ctx context.Context) error {
	summary, err := s.client.Describe(ctx)
	if err != nil {
		return err
	}
	s.created = aws.ToTime(summary.StreamCreationTimestamp).Unix()
	shards, err := s.list(ctx)
	if err != nil {
		return err
	}
	for id := range shards {
		r := reader[K, V]{source: s, place: place{shard: id}}
		if err := r.locate(ctx); err != nil {
			return err
		}
		_, err := r.get(ctx, 1)
		if code := kinesis.Code(err); code == "ProvisionedThroughputExceededException" {
			return nil // others read it too
		}
		return err
	}
	return fmt.Errorf("%w: the data stream has no shards", weir.ErrConfiguration)
}

// Close implements [source.Source].
func (s *dataStream[K, V]) Close(context.Context) error {
	s.client.Close()
	return nil
}

// list asks for the shards. Those that were split or merged are among them as long as the data stream has records of them.
func (s *dataStream[K, V]) list(ctx context.Context) (map[string]types.Shard, error) {
	name, arn := s.client.Names()
	in := &awskinesis.ListShardsInput{StreamName: name, StreamARN: arn}
	all := map[string]types.Shard{}
	for {
		err := s.client.Call(ctx, "kinesis:ListShards", func(ctx context.Context) error {
			out, err := s.client.API.ListShards(ctx, in)
			if err != nil {
				return err
			}
			for _, shard := range out.Shards {
				all[aws.ToString(shard.ShardId)] = shard
			}
			in = &awskinesis.ListShardsInput{NextToken: out.NextToken, StreamARN: arn}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if in.NextToken == nil {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards = all
	return all, nil
}

// find returns a shard, or false if the data stream has no records of it any more.
func (s *dataStream[K, V]) find(ctx context.Context, id string) (types.Shard, bool, error) {
	s.mu.Lock()
	shard, ok := s.shards[id]
	s.mu.Unlock()
	if ok {
		return shard, true, nil
	}
	all, err := s.list(ctx)
	shard, ok = all[id]
	return shard, ok, err
}

// closed reports whether a shard takes no more records, as far as the source knows.
func (s *dataStream[K, V]) closed(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.shards[id].SequenceNumberRange
	return r != nil && r.EndingSequenceNumber != nil
}

// Splits implements [source.Source]. A shard is named when those that it was split or merged from are at their ends: so the records of a partition key come in order.
// Splits of a lane are read by one slot, which knows all of these ends.
func (s *dataStream[K, V]) Splits(ctx context.Context, finished func(string) bool) ([]source.Split, error) {
	shards, err := s.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	n := lanes(s.options.Lanes)
	var splits []source.Split
	for _, id := range slices.Sorted(maps.Keys(shards)) {
		first, last, err := n.span(shards[id])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		for lane := first; lane <= last; lane++ {
			p := place{id, s.created, lane, n}
			if s.ready(p, shards, finished) {
				splits = append(splits, source.Split{ID: p.String(), Affinity: "lane " + strconv.Itoa(lane)})
			}
		}
	}
	return splits, nil
}

// ready reports whether the parents of a shard are read to their ends in the lane of a place. Those that are not listed have no records any more.
func (*dataStream[K, V]) ready(p place, shards map[string]types.Shard, finished func(string) bool) bool {
	shard := shards[p.shard]
	for _, parent := range []string{aws.ToString(shard.ParentShardId), aws.ToString(shard.AdjacentParentShardId)} {
		before, listed := shards[parent]
		if !listed {
			continue
		}
		first, last, err := p.lanes.span(before)
		if err == nil && p.lane >= first && p.lane <= last && !finished(place{parent, p.created, p.lane, p.lanes}.String()) {
			return false
		}
	}
	return true
}

// Open implements [source.Source].
func (s *dataStream[K, V]) Open(ctx context.Context, task source.Task, split source.Split, position []byte) (source.Reader[K, V], error) {
	p, err := parsePlace(split.ID)
	if err != nil {
		return nil, fmt.Errorf("source kinesis: %w", err)
	}
	r := &reader[K, V]{source: s, log: task.Logger, place: p, after: string(position)}
	if p.created != s.created {
		task.Logger.Warn("the data stream was made anew: the rest of a shard of the former one cannot be read", "stream", s.stream.Name, "shard", p.shard)
		r.ended = true
		return r, nil
	}
	shard, ok, err := s.find(ctx, p.shard)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s, err)
	}
	if !ok {
		r.lost()
		return r, nil
	}
	first, last, err := p.lanes.span(shard)
	if err == nil && (p.lane < first || p.lane > last) {
		err = errors.New("the shard is not in this lane")
	}
	if err != nil {
		return nil, fmt.Errorf("open split %q of %s: %w", split.ID, s, err)
	}
	r.mine = p.lanes.filter(p.lane, first, last)
	return r, nil
}
