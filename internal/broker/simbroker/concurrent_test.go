package simbroker_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
)

// It is the race detector that judges this test.
func TestSeveralGoroutinesMayUseOneBroker(t *testing.T) {
	const processes, records = 4, 50
	b, _ := newBroker(t, map[string]int32{"a": processes})
	var done sync.WaitGroup
	for number := range int32(processes) {
		p := newProducer(t, b, broker.ProducerConfig{})
		f := newFetcher(t, b)
		g := member(t, b, "a")
		done.Go(func() {
			f.Start(tp("a", number), 0)
			read := 0
			for i := range records {
				if err := p.Send(t.Context(), tp("a", number), []broker.Record{record("k", fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				f.Wake()
				for range 2 {
					batch, err := f.Poll(t.Context(), 0)
					if err != nil {
						t.Error(err)
					}
					if batch != nil {
						read += len(batch.Records)
						batch.Release()
					}
				}
				event, err := g.Poll(t.Context(), 0)
				if err != nil {
					t.Error(err)
				}
				if event != nil {
					event.Done()
				}
			}
			if read != records {
				t.Errorf("partition %d: read %d records, want %d", number, read, records)
			}
			if err := g.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	check(t, b.Close())
}
