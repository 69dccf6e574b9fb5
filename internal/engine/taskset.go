package engine

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/aligned"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/graph"
)

// taskSet is the open tasks of a worker. Only the goroutine of the worker uses it.
type taskSet struct {
	byID map[TaskID]*task
	// sorted is the result of all, or nil after a change.
	sorted []*task
	// merging are the running tasks that merge inputs, in a fixed order.
	merging []*task
}

func (s *taskSet) add(t *task) { s.byID[t.id], s.sorted = t, nil }

func (s *taskSet) remove(t *task) {
	delete(s.byID, t.id)
	s.sorted = nil
	s.merging = slices.DeleteFunc(s.merging, func(o *task) bool { return o == t })
}

// all returns the tasks in a fixed order, in a slice that must not be changed. It stays as it is when tasks come or go.
func (s *taskSet) all() []*task {
	if s.sorted == nil {
		s.sorted = slices.SortedFunc(maps.Values(s.byID), func(a, b *task) int {
			return cmp.Or(cmp.Compare(a.id.Part, b.id.Part), cmp.Compare(a.id.Partition, b.id.Partition))
		})
	}
	return s.sorted
}

// of returns the tasks with some ids that are open.
func (s *taskSet) of(ids []TaskID) (tasks []*task) {
	for _, id := range ids {
		if t := s.byID[id]; t != nil {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// reading returns the task that has a partition for its input, or nil.
func (s *taskSet) reading(tp broker.TopicPartition) *task {
	for _, t := range s.byID {
		if _, reads := t.inputs[tp.Topic]; reads && t.id.Partition == tp.Partition {
			return t
		}
	}
	return nil
}

// position returns the next offset to process of a partition; reads is false if no task reads it.
func (s *taskSet) position(tp broker.TopicPartition) (next int64, reads bool) {
	t := s.reading(tp)
	if t == nil {
		return 0, false
	}
	return t.input.Next[tp.Topic], true
}

// fedBySource reports whether a task writes a topic with the records of a source.
func (s *taskSet) fedBySource(topic string) bool {
	return s.any(func(t *task) bool {
		return len(t.env.Feeds) > 0 && slices.ContainsFunc(t.part.Nodes, func(n *graph.Node) bool { return n.Sink != nil && t.plan.Topic(n) == topic })
	})
}

// mergeAnew finds the running tasks that merge inputs, after one has started.
func (s *taskSet) mergeAnew() {
	s.merging = slices.DeleteFunc(slices.Clone(s.all()), func(t *task) bool { return t.aligned == nil })
}

// inputs returns the progress of the tasks in a fixed order.
func (s *taskSet) inputs() []*progress.Input {
	var inputs []*progress.Input
	for _, t := range s.all() {
		inputs = append(inputs, t.input)
	}
	return inputs
}

// any reports whether a condition holds for any task.
func (s *taskSet) any(condition func(*task) bool) bool {
	for _, t := range s.byID {
		if condition(t) {
			return true
		}
	}
	return false
}

// dirty reports whether any task has something to check in.
func (s *taskSet) dirty() bool { return s.any(func(t *task) bool { return t.changed }) }

// changed returns the tasks that have something to check in, in a fixed order.
func (s *taskSet) changed() (tasks []*task) {
	for _, t := range s.all() {
		if t.changed {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// inFlight reports whether records wait for calls of asynchronous operators.
func (s *taskSet) inFlight() bool { return s.any(func(t *task) bool { return t.env.InFlight() }) }

// arrived reports whether calls of asynchronous operators have results.
func (s *taskSet) arrived() bool {
	return s.any(func(t *task) bool { return t.flies() && t.env.Arrived() })
}

// visible reports whether the sinks have committed everything that checkpoints have prepared.
func (s *taskSet) visible() bool { return !s.any(func(t *task) bool { return !t.sinks.Visible() }) }

// damage returns an error if the database of a task was found to be damaged: no checkpoint may count data that was read from it.
func (s *taskSet) damage() error {
	for _, t := range s.byID {
		if err := t.stores.Damage(); err != nil {
			return fmt.Errorf("task %s: %w", t.name, err)
		}
	}
	return nil
}

// until cuts a waiting time so that no running task is late: with records of sources, timers by the clock, and paces.
func (s *taskSet) until(wait time.Duration, now time.Time) time.Duration {
	for _, t := range s.byID {
		if !t.moves() {
			continue
		}
		if t.time != nil {
			wait = t.time.UntilPace(wait, now)
		}
		for _, c := range t.env.Clocks {
			wait = untilMillis(c.Next(), wait, now)
		}
		for _, f := range t.env.Feeds {
			wait = untilMillis(f.Next(), wait, now)
		}
	}
	return wait
}

// untilStall cuts a waiting time so that no task waits for an input in vain.
func (s *taskSet) untilStall(wait time.Duration) time.Duration {
	if len(s.merging) > 0 {
		wait = min(wait, aligned.StallCheck)
	}
	return wait
}

// untilMillis cuts a waiting time so that it ends at a time in milliseconds; math.MaxInt64 means never.
func untilMillis(next int64, wait time.Duration, now time.Time) time.Duration {
	switch at := now.UnixMilli(); {
	case next <= at:
		return min(wait, 0)
	case next-at <= wait.Milliseconds():
		return time.Duration(next-at) * time.Millisecond
	default:
		return wait
	}
}
