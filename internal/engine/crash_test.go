package engine_test

import (
	"errors"
	"testing"

	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/longtest"
)

// scenario feeds the pipeline in rounds, with a checkpoint after each, and stops it. Processes that end are started
// again with the same disk. It returns the last process, which runs.
func scenario(c *cluster, d disk) (p *process) {
	c.t.Helper()
	settle := func() {
		for range 1000 {
			var err error
			if p == nil {
				p, err = c.start(d, "static")
			}
			if err == nil {
				err = p.run()
			}
			if err == nil {
				return
			}
			p = nil
			if !errors.Is(err, errCrash) {
				c.t.Fatal(err)
			}
		}
		c.t.Fatal("the process does not come to rest")
	}
	round := func(base int64) {
		c.order("north", 1, base+1)
		c.order("south", 10, base+2)
		c.order("north", 2, base+4)
		settle()
		c.order("south", 20, base+13)
		c.order("north", 4, base+14)
		settle()
		c.order("north", 8, base+3) // late
		c.order("east", 100, base+9)
		settle()
		// A checkpoint lets the output of one part out; the other part has to check in what it makes of it.
		for range 2 {
			c.clock.Advance(interval)
			settle()
			settle()
		}
	}
	defer func() {
		for range 3 { // what the last crash has left to do
			c.clock.Advance(interval)
			settle()
			settle()
		}
	}()
	settle()
	round(0)
	round(20)
	if err := p.close(); err != nil && !errors.Is(err, errCrash) {
		c.t.Fatal(err)
	}
	p = nil
	round(60)
	return p
}

// Whatever call to the cluster a process dies at, before it took effect or after: no input is lost, output repeats
// uncommitted work at most, and the state is that of all input, on the same disk and when it is rebuilt.
func TestACrashAtAnyCallLosesNothing(t *testing.T) {
	for _, kind := range []struct {
		name          string
		every         int // of how many calls one is tried
		deliverOnSend bool
		disk          func(testing.TB) disk
		fail          func() error
	}{
		{"error, slow network", longtest.Cases(7, 1), false, func(testing.TB) disk { return memoryDisk{} }, func() error { return errCrash }},
		{"error, quick network", longtest.Cases(7, 1), true, func(testing.TB) disk { return memoryDisk{} }, func() error { return errCrash }},
		{"panic", longtest.Cases(23, 5), true, func(testing.TB) disk { return memoryDisk{} }, func() error { panic(errCrash) }},
		{"error with Pebble", longtest.Cases(23, 5), false, func(t testing.TB) disk { return newPebbleDisk(t) }, func() error { return errCrash }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			for at, more := 0, true; more; at += kind.every {
				more = crashAt(t, at, kind.deliverOnSend, kind.disk(t), kind.fail)
				if t.Failed() {
					t.Fatalf("crash at call %d", at)
				}
			}
		})
	}
}

// crashAt reports false if there are not so many calls.
func crashAt(t *testing.T, at int, deliverOnSend bool, d disk, fail func() error) bool {
	c := newCluster(t, pipeline(), 2)
	c.broker.DeliverOnSend = deliverOnSend
	calls := 0
	c.onCall = func(simbroker.Op) error {
		calls++
		if calls == at+1 {
			return fail()
		}
		return nil
	}
	p := scenario(c, d)
	c.onCall = nil
	c.checkLogs(false)
	c.checkState(p)
	p.mustClose()
	for _, lost := range []bool{false, true} {
		if lost {
			d.lose()
		}
		p = c.mustStart(d)
		c.checkState(p)
		p.mustClose()
	}
	c.checkLogs(false)
	if n := c.broker.Unreleased(); n != 0 && calls <= at {
		t.Errorf("%d batches were not released", n)
	}
	return calls > at
}
