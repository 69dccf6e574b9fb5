package engine_test

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// A worker that has lost its tasks, and has not heard of it, must not try its transaction again and again.
func TestTasksRestWhileTheGroupRefusesTheirOffsets(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	c.config.ExactlyOnce = true
	c.config.CheckpointRecords = 1
	zombie, err := c.start(memoryDisk{}, "zombie")
	if err != nil {
		t.Fatal(err)
	}
	c.order("north", 1, 1)
	zombie.mustRun()
	c.clock.Advance(session + time.Second)
	successor, err := c.start(memoryDisk{}, "successor")
	if err != nil {
		t.Fatal(err)
	}
	successor.mustRun()
	c.order("south", 2, 1)

	attempts := 0
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpAddOffsets && !op.After {
			attempts++
		}
		return nil
	}
	steps := func(n int) {
		t.Helper()
		for range n {
			err := zombie.do(func() error {
				_, err := zombie.workers[0].Step(t.Context(), 0)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	steps(1000)
	if attempts != 1 {
		t.Errorf("%d transactions while no time passed, want 1", attempts)
	}
	for range 60 {
		c.clock.Advance(time.Second)
		steps(20)
	}
	if attempts < 5 || attempts > 25 {
		t.Errorf("%d transactions in a minute", attempts)
	}

	c.onCall = nil
	for range 10 {
		zombie.mustRun()
		successor.mustRun()
		c.clock.Advance(time.Second)
	}
	c.checkLogs(false)
	if n := len(zombie.status()) + len(successor.status()); n != 2 {
		t.Errorf("%d tasks run, want 2", n)
	}
}
