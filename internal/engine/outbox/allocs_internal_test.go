package outbox

import (
	"context"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
)

// promptProducer is done with records at once.
type promptProducer struct {
	broker.Producer
	released func([]broker.Record)
}

func (p *promptProducer) OnReleased(f func([]broker.Record)) { p.released = f }

func (p *promptProducer) Send(_ context.Context, _ broker.TopicPartition, records []broker.Record) error {
	p.released(records)
	return nil
}

// A batch without memory of former ones takes a dozen allocations. The race detector has a pool forget one item of four.
func TestOutputUsesTheMemoryOfReleasedRecordsAgain(t *testing.T) {
	const batches = 20
	o := New(&promptProducer{}, &provision.Topics{Partitions: map[string]int32{"out": 1}}, false, t.Context)
	out, err := o.Topic("out")
	if err != nil {
		t.Fatal(err)
	}
	record := broker.Record{Key: make([]byte, 8), Value: make([]byte, 50), Headers: []weir.Header{{Key: "name", Value: []byte("value")}}}
	fill := func() {
		for range batches * sendRecords {
			if err := out.Append(0, &record); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := testing.AllocsPerRun(10, fill); n > 8*batches {
		t.Errorf("%v allocations for %d batches of %d records", n, batches, sendRecords)
	} else {
		t.Log(n)
	}
}
