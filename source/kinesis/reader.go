package kinesis

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weirstreams/weir/internal/kinesis"
	"github.com/weirstreams/weir/source"
)

const (
	// batchRecords and batchBytes bound a batch.
	batchRecords = 1000
	batchBytes   = 1 << 20
)

// reader reads a shard behind a position.
type reader[K, V any] struct {
	source *dataStream[K, V]
	log    *slog.Logger
	place  place
	mine   func(partitionKey string) bool // nil means all records

	after    string  // sequence number of the last record that was returned or left out, or ""
	iterator *string // nil before the first read, and when it has expired
	next     time.Time
	// fetched are the records of a read that were not returned. behind says that there are more.
	fetched []types.Record
	behind  bool
	ended   bool  // the shard has no records behind fetched
	invalid error // of a record behind those that were returned last
}

// Read implements source.Reader.
func (r *reader[K, V]) Read(ctx context.Context, into *source.Batch[K, V]) error {
	if r.invalid != nil {
		return r.invalid
	}
	if len(r.fetched) == 0 && !r.ended {
		if err := r.fetch(ctx); err != nil {
			return err
		}
	}
	if err := r.fill(into); err != nil {
		return err
	}
	switch {
	case len(r.fetched) > 0 || r.invalid != nil:
	case r.ended:
		return io.EOF
	case !r.behind:
		into.Behind = 0
	}
	return nil
}

// fetch waits for its time and reads the shard.
func (r *reader[K, V]) fetch(ctx context.Context) error {
	timer := time.NewTimer(time.Until(r.next))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.next = time.Now().Add(r.source.options.PollInterval)
	closed := r.source.closed(r.place.shard) // before the read, which has all records then
	if r.iterator == nil {
		if err := r.locate(ctx); err != nil {
			return r.failed(ctx, err)
		}
	}
	out, err := r.get(ctx, int32(r.source.options.ReadRecords))
	switch {
	case kinesis.Code(err) == "ExpiredIteratorException": // the topic was slow
		r.iterator = nil
		return nil
	case err != nil:
		return r.failed(ctx, err)
	}
	r.fetched, r.iterator = out.Records, out.NextShardIterator
	r.behind = aws.ToInt64(out.MillisBehindLatest) > 0
	r.ended = r.iterator == nil || closed && len(r.fetched) == 0 && !r.behind
	return nil
}

// failed returns the error of a read, or nil at the end of a shard whose records are deleted.
func (r *reader[K, V]) failed(ctx context.Context, err error) error {
	if kinesis.Code(err) == "ResourceNotFoundException" {
		if _, other := r.source.client.Describe(ctx); other == nil {
			r.lost()
			return nil
		}
	}
	return fmt.Errorf("read shard %s of %s: %w", r.place.shard, r.source, err)
}

// lost ends a shard that the data stream does not have any more.
func (r *reader[K, V]) lost() {
	r.log.Warn("records were deleted before they were read: the retention of the data stream has ended for a shard", "stream", r.source.stream.Name, "shard", r.place.shard)
	r.ended = true
}

// locate asks for the iterator behind the last record.
func (r *reader[K, V]) locate(ctx context.Context) error {
	name, arn := r.source.client.Names()
	in := &awskinesis.GetShardIteratorInput{StreamName: name, StreamARN: arn, ShardId: &r.place.shard}
	since := r.source.options.Since
	switch {
	case r.after != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &r.after
	case !since.IsZero():
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &since
	default:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	}
	return r.source.client.Call(ctx, "kinesis:GetShardIterator", func(ctx context.Context) error {
		out, err := r.source.client.API.GetShardIterator(ctx, in)
		if err == nil {
			r.iterator = out.ShardIterator
		}
		return err
	})
}

// get reads records by the iterator.
func (r *reader[K, V]) get(ctx context.Context, limit int32) (out *awskinesis.GetRecordsOutput, err error) {
	_, arn := r.source.client.Names()
	err = r.source.client.Call(ctx, "kinesis:GetRecords", func(ctx context.Context) error {
		out, err = r.source.client.API.GetRecords(ctx, &awskinesis.GetRecordsInput{ShardIterator: r.iterator, StreamARN: arn, Limit: &limit})
		return err
	})
	return out, err
}

// fill puts fetched records into a batch.
func (r *reader[K, V]) fill(into *source.Batch[K, V]) error {
	taken := 0
	for taken < len(r.fetched) && len(into.Records) < batchRecords && into.Bytes < batchBytes {
		if err := r.add(&r.fetched[taken], into); err != nil {
			if taken == 0 {
				return err
			}
			r.invalid = err
			break
		}
		taken++
	}
	r.fetched = r.fetched[taken:]
	if taken > 0 {
		into.Position = []byte(r.after)
	}
	return nil
}

// add puts the record of a message into a batch.
func (r *reader[K, V]) add(m *types.Record, into *source.Batch[K, V]) error {
	o := &r.source.options
	key, sequence := aws.ToString(m.PartitionKey), aws.ToString(m.SequenceNumber)
	if r.mine != nil && !r.mine(key) {
		r.after = sequence
		return nil
	}
	at := aws.ToTime(m.ApproximateArrivalTimestamp)
	record, err := o.Record(Message{PartitionKey: key, Data: m.Data, Shard: r.place.shard, SequenceNumber: sequence, Time: at})
	if err != nil {
		err = fmt.Errorf("record %s of shard %s of %s, of partition key %q and %d bytes: %w", sequence, r.place.shard, r.source, key, len(m.Data), err)
		if !o.SkipInvalid {
			return fmt.Errorf("%w (Options.SkipInvalid skips such records)", err)
		}
		r.log.Warn("a record is skipped", "error", err)
	}
	r.after = sequence
	if err != nil {
		return nil
	}
	if record.Millis == 0 {
		record.Millis = at.UnixMilli()
	}
	into.Records = append(into.Records, record)
	into.Bytes += int64(len(key) + len(m.Data))
	return nil
}

// Acknowledge implements source.Reader. The data stream keeps its records, and the application keeps the position.
func (*reader[K, V]) Acknowledge(context.Context, []byte) error { return nil }

// Close implements source.Reader.
func (*reader[K, V]) Close() error { return nil }
