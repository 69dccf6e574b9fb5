package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
)

var errUnlucky = errors.New("this number brings bad luck")

// badRecord is a record that cannot be processed.
type badRecord struct {
	name   string
	record broker.Record
	broken func(*pipeline)
	// repaired makes number 13 with key 1 of the record.
	repaired func(*pipeline)
	// want are parts of the message, beside topic, partition, offset, operator and line.
	want  []string
	is    error
	stack bool
	// kept says that the record changed the state before it failed.
	kept bool
}

func unluckyFunction(f func() (int, error)) func(*pipeline) {
	return func(p *pipeline) {
		p.f = func(_ context.Context, n int) (int, error) {
			if n == unlucky {
				return f()
			}
			return n, nil
		}
	}
}

func badRecords() []badRecord {
	readKey := func(p *pipeline) { p.key = altered[int]{Codec: codec.JSON[int](), broken: func() int { return 1 }} }
	readValue := func(p *pipeline) {
		p.value = altered[int]{Codec: codec.JSON[int](), broken: func() int { return unlucky }}
	}
	nothing := func(*pipeline) {}
	var index []int
	return []badRecord{
		{
			name: "a key that does not decode", record: raw("x", "13"), broken: nothing, repaired: readKey,
			want: []string{"source", "decode key"},
		},
		{
			name: "a value that does not decode", record: raw("1", "thirteen"), broken: nothing, repaired: readValue,
			want: []string{"source", "decode value"},
		},
		{
			name: "a function that returns an error", record: number(unlucky), repaired: nothing,
			broken: unluckyFunction(func() (int, error) { return 0, errUnlucky }),
			want:   []string{"map", errUnlucky.Error()}, is: errUnlucky,
		},
		{
			name: "a function that panics", record: number(unlucky), repaired: nothing,
			broken: unluckyFunction(func() (int, error) { return index[unlucky], nil }),
			want:   []string{"map", "panic", "index out of range"}, stack: true,
		},
		{
			name: "a function that panics with an error", record: number(unlucky), repaired: nothing,
			broken: unluckyFunction(func() (int, error) { panic(errUnlucky) }),
			want:   []string{"map", "panic", errUnlucky.Error()}, is: errUnlucky, stack: true,
		},
		{
			name: "a key that does not encode", record: raw("99", "13"), kept: true,
			broken: func(p *pipeline) {
				p.outputKey = altered[int]{Codec: codec.JSON[int](), encode: func(_ []byte, key int) ([]byte, error) {
					if key == 99 {
						return nil, errUnlucky
					}
					return nil, nil
				}}
			},
			repaired: nothing,
			want:     []string{"sink", "encode key"}, is: errUnlucky,
		},
		{
			name: "a value that does not encode", record: number(unlucky), kept: true,
			broken: func(p *pipeline) {
				p.outputValue = altered[total]{Codec: codec.JSON[total](), encode: func(_ []byte, v total) ([]byte, error) {
					if v.Number == unlucky {
						return nil, errUnlucky
					}
					return nil, nil
				}}
			},
			repaired: nothing,
			want:     []string{"sink", "encode value"}, is: errUnlucky,
		},
		{
			name: "a result that is too large", record: number(unlucky), kept: true,
			broken: func(p *pipeline) {
				p.outputValue = altered[total]{Codec: codec.JSON[total](), encode: func(dst []byte, v total) ([]byte, error) {
					if v.Number == unlucky {
						return append(dst, bytes.Repeat([]byte{' '}, 1_500_000)...), nil
					}
					return nil, nil
				}}
			},
			repaired: nothing,
			want:     []string{"sink", "too large", "1500", "1048588"},
		},
	}
}

// A record that cannot be processed ends the application with an error that names it. It is not committed: the next
// application begins with what was not committed, and loses nothing and counts nothing twice.
func TestABadRecordEndsTheApplicationAndIsNotLost(t *testing.T) {
	kafkatest.Parallel(t)
	for _, c := range badRecords() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
			before, after := numbers(0, 10), numbers(20, 25)
			k.write(p.input, 0, append(append(before, c.record), after...)...)
			bad := int64(len(before))
			config := k.config()

			broken := p
			c.broken(&broken)
			err := run(t, broken.topology(), config).failure()
			checkProcessingError(t, err, c, p.input, bad)
			committed := k.committed(p.input, 0)
			if committed > bad {
				t.Fatalf("offset %d is committed, the record at %d failed", committed, bad)
			}
			if committed < bad-4 { // CheckpointRecords
				t.Errorf("offset %d is committed, of %d that were processed", committed, bad)
			}

			c.repaired(&p)
			p.seen = &offsets{}
			app := run(t, p.topology(), config)
			all := bad + 1 + int64(len(after))
			app.awaitProcessed(all - committed)
			app.stop()
			var want []int64
			for o := committed; o < all; o++ {
				want = append(want, o)
			}
			if diff := cmp.Diff(want, p.seen.get()); diff != "" {
				t.Errorf("offsets of the second run (-want +got):\n%s", diff)
			}
			if got := k.committed(p.input, 0); got != all {
				t.Errorf("committed offset %d, want %d", got, all)
			}
			k.checkTotals(p.output, append(append(before, repairedRecord(c)), after...))
		})
	}
}

func repairedRecord(c badRecord) broker.Record {
	if string(c.record.Key) == "99" {
		return c.record
	}
	return number(unlucky)
}

func checkProcessingError(t *testing.T, err error, c badRecord, topic string, offset int64) {
	t.Helper()
	var p *weir.ProcessingError
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a ProcessingError", err)
	}
	if p.Topic != topic || p.Partition != 0 || p.Offset != offset {
		t.Errorf("the error is about %s[%d] at offset %d", p.Topic, p.Partition, p.Offset)
	}
	if c.is != nil && !errors.Is(err, c.is) {
		t.Errorf("%v is not %v", err, c.is)
	}
	if (p.Stack != nil) != c.stack {
		t.Errorf("stack: %s", p.Stack)
	}
	if c.stack && !strings.Contains(string(p.Stack), "record_error_test.go") {
		t.Errorf("the stack does not show the function: %s", p.Stack)
	}
	place := fmt.Sprintf("%s[0] at offset %d", topic, offset)
	for _, part := range append(c.want, place, "runtime/support_test.go:") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	var codecError *weir.CodecError
	if coded := strings.Contains(err.Error(), "code "); coded != errors.As(err, &codecError) {
		t.Errorf("%v: a CodecError: %v", err, !coded)
	}
}

// checkTotals checks that every number was written at least once, with the right sum.
func (k *testCluster) checkTotals(topic string, input []broker.Record) {
	k.t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	sums := map[string]int{}
	for _, r := range input {
		var n int
		if err := json.Unmarshal(r.Value, &n); err != nil {
			k.t.Fatal(err)
		}
		sums[string(r.Key)] += n
		want[fmt.Sprintf("%s: %+v", r.Key, total{n, sums[string(r.Key)]})] = true
	}
	for _, r := range k.read(topic) {
		var v total
		if err := json.Unmarshal(r.Value, &v); err != nil {
			k.t.Fatal(err)
		}
		got[fmt.Sprintf("%s: %+v", r.Key, v)] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.t.Errorf("topic %s (-want +got):\n%s", topic, diff)
	}
}

// A policy of skipping counts bad records and goes on. Their offsets are committed like all others.
func TestABadRecordCanBeSkipped(t *testing.T) {
	kafkatest.Parallel(t)
	for _, c := range badRecords() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKafka(t)
			p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
			c.broken(&p)
			before, after := numbers(0, 10), numbers(20, 25)
			// The first, some in between, two in a row, and the last.
			var records []broker.Record
			records = append(records, c.record)
			records = append(records, before...)
			records = append(records, c.record, c.record)
			records = append(records, after...)
			records = append(records, c.record)
			k.write(p.input, 0, records...)
			all := int64(len(records))

			var failed []int64
			config := k.config()
			config.Errors.Decide = func(err *weir.FailedRecord) weir.ErrorAction {
				failed = append(failed, err.Offset) // one partition, so one goroutine
				return weir.Skip
			}
			app := run(t, p.topology(), config)
			app.awaitProcessed(all)
			if got := app.Status().Tasks[0].Skipped; got != 4 {
				t.Errorf("%d records skipped, want 4", got)
			}
			app.stop()
			if diff := cmp.Diff([]int64{0, 11, 12, all - 1}, failed); diff != "" {
				t.Errorf("offsets of failures (-want +got):\n%s", diff)
			}
			if got := k.committed(p.input, 0); got != all {
				t.Errorf("committed offset %d, want %d", got, all)
			}
			if c.kept { // sums hold what was skipped, too
				if got, want := len(k.read(p.output)), len(before)+len(after); got != want {
					t.Errorf("%d records written, want %d", got, want)
				}
				return
			}
			k.checkTotals(p.output, append(before, after...))
		})
	}
}

// What cannot be kept is no fault of one record: the state of many is encoded together, at a checkpoint.
func TestStateThatDoesNotEncodeEndsTheApplicationAndLosesNothing(t *testing.T) {
	t.Parallel()
	k := newKafka(t)
	p := pipeline{input: k.Topic(t, "in", 1), output: k.Topic(t, "out", 1)}
	k.write(p.input, 0, numbers(0, 30)...)
	broken := p
	broken.state = altered[int]{Codec: codec.JSON[int](), encode: func(_ []byte, sum int) ([]byte, error) {
		if sum > 20 {
			return nil, errUnlucky
		}
		return nil, nil
	}}
	config := k.config()
	config.Errors.Decide = func(_ *weir.FailedRecord) weir.ErrorAction {
		t.Error("the policy was asked")
		return weir.Skip
	}
	err := run(t, broken.topology(), config).failure()
	if !errors.Is(err, errUnlucky) || !strings.Contains(err.Error(), p.input+`/0: store "sum": encode the state of key 2: `) {
		t.Fatalf("got %v", err)
	}
	committed := k.committed(p.input, 0)
	app := run(t, p.topology(), config)
	app.awaitProcessed(30 - committed)
	app.stop()
	k.checkTotals(p.output, numbers(0, 30))
}
