package eventtime

import (
	"testing"
	"time"
)

// A task with records writes its pace four times in a timeout, but no more than one record in 100 ms, or in 10 ms for each partition.
func TestThePaceIsWrittenAsOftenAsTimeoutAndPartitionsAllow(t *testing.T) {
	for _, x := range []struct {
		timeout    time.Duration
		partitions []int // of each topic that the task writes
		want       time.Duration
	}{
		{10 * time.Second, nil, 100 * time.Millisecond},
		{10 * time.Second, []int{1}, 100 * time.Millisecond},
		{10 * time.Second, []int{10}, 100 * time.Millisecond},
		{10 * time.Second, []int{30}, 300 * time.Millisecond},
		{10 * time.Second, []int{20, 40}, 600 * time.Millisecond},
		{10 * time.Second, []int{1000}, 2500 * time.Millisecond},
		{200 * time.Millisecond, []int{3}, 50 * time.Millisecond},
	} {
		e := &Time{steps: make([]timeStep, 1+len(x.partitions))}
		for i, n := range x.partitions {
			e.steps[i].output = &Output{said: make([]promise, n)}
		}
		if got := e.paceInterval(x.timeout); got != x.want {
			t.Errorf("timeout %v, partitions %v: every %v, want %v", x.timeout, x.partitions, got, x.want)
		}
	}
}
