package kinesis

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/internal/kinesis"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// entry is a record as it is put.
type entry struct {
	bulk.Progress
	key  string
	data []byte
}

func (e *entry) size() int { return len(e.key) + len(e.data) }

// newWriter returns the writer of a task. It makes entries of the records, and puts them in requests.
func newWriter[K, V any](s *Sink[K, V], task sink.Task) sink.Writer[K, V] {
	o := &s.options
	return bulk.NewWriter(bulk.Config[K, V, *entry]{
		Target: s, Noun: "record", Make: s.entry, Size: (*entry).size,
		Write: func(ctx context.Context, records []weir.Record[struct{}, *entry]) error {
			return bulk.Write(ctx, bulk.Attempts{Retry: o.Retry, OutageWait: o.OutageWait, Target: s, Noun: "record"}, records, s.send)
		},
	}, sink.BatchOptions{
		MaxRecords: maxRequestRecords, MaxBytes: maxRequestBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
}

// entry makes the entry of a record.
func (s *Sink[K, V]) entry(r *weir.Record[K, V]) (*entry, error) {
	key, err := s.partitionKey(r)
	if err != nil {
		return nil, err
	}
	data, err := s.options.Payload(r)
	if err != nil {
		return nil, fmt.Errorf("the payload: %w", err)
	}
	e := &entry{key: key, data: data}
	if int64(e.size()) > s.maxRecord {
		return nil, fmt.Errorf("the record has %d bytes with its partition key, and the data stream takes at most %d", e.size(), s.maxRecord)
	}
	if e.data == nil {
		e.data = []byte{} // Kinesis asks for data
	}
	return e, nil
}

func (s *Sink[K, V]) partitionKey(r *weir.Record[K, V]) (string, error) {
	if of := s.options.PartitionKey; of != nil {
		key, err := of(r)
		if err == nil {
			err = checkPartitionKey(key)
		}
		if err != nil {
			return "", fmt.Errorf("Options.PartitionKey: %w", err)
		}
		return key, nil
	}
	key := ""
	if !r.KeyNull {
		text, _, err := s.key(r.Key)
		if err != nil {
			return "", fmt.Errorf("the key as a partition key: %w", err)
		}
		key = text
	}
	if key == "" {
		key = s.options.NullKey
	}
	return key, checkPartitionKey(key)
}

// send puts entries until each is done or refused. An error says that some are left.
func (s *Sink[K, V]) send(ctx context.Context, left []*entry) error {
	for len(left) > 0 {
		var request, rest []*entry
		if request, rest = left, nil; s.options.OneByOne {
			request, rest = firsts(left)
		}
		if err := s.put(ctx, request); err != nil {
			return err
		}
		left = rest
	}
	return nil
}

// firsts returns the first entry of each partition key, and all others.
func firsts(entries []*entry) (first, rest []*entry) {
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		if seen[e.key] {
			rest = append(rest, e)
			continue
		}
		seen[e.key] = true
		first = append(first, e)
	}
	return first, rest
}

// put makes a request, or several if Kinesis refuses it for its content. Entries behind one of their partition key that is left are left too, so that the data stream
// ends with the newest one.
func (s *Sink[K, V]) put(ctx context.Context, entries []*entry) error {
	return bulk.Halves(entries, func(entries []*entry) error { return s.putOnce(ctx, entries) })
}

func (s *Sink[K, V]) putOnce(ctx context.Context, entries []*entry) error {
	records := make([]types.PutRecordsRequestEntry, len(entries))
	for i, e := range entries {
		records[i] = types.PutRecordsRequestEntry{PartitionKey: &e.key, Data: e.data}
	}
	var answer *awskinesis.PutRecordsOutput
	err := s.client.Call(ctx, "kinesis:PutRecords", func(ctx context.Context) (err error) {
		name, arn := s.client.Names()
		answer, err = s.client.API.PutRecords(ctx, &awskinesis.PutRecordsInput{StreamName: name, StreamARN: arn, Records: records})
		return err
	})
	if err != nil {
		return err
	}
	if len(answer.Records) != len(entries) {
		return fmt.Errorf("kinesis:PutRecords: the answer has %d results for %d records", len(answer.Records), len(entries))
	}
	var failure error
	left := map[string]bool{}
	for i, e := range entries {
		code := aws.ToString(answer.Records[i].ErrorCode)
		if code == "" {
			e.Done = !left[e.key]
			continue
		}
		left[e.key] = true
		err := fmt.Errorf("a record of partition key %q: %s: %s", e.key, code, aws.ToString(answer.Records[i].ErrorMessage))
		if kinesis.Throttled(code) {
			err = &web.Transient{Err: err}
		}
		failure = bulk.Decisive(failure, err)
	}
	return failure
}
