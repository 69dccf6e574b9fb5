package sim

import (
	"fmt"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/eventtime"
	"github.com/weirstreams/weir/internal/graph"
)

// liveRounds is how many timeouts the windows of a live topology have to close in, however many are behind each other.
const liveRounds = 60

// finishLive is the end of a run with output that depends on the clock. Open windows close; then the check holds, also after
// a restore of everything, and after more time.
func (w *world) finishLive() {
	if w.simulation.Check == nil {
		w.failf("a live simulation without a check")
		return
	}
	if !w.closeAll("when the clock goes on") || !w.stopAll() {
		return
	}
	w.tracef("restore again")
	if w.random.oneIn(2) {
		w.tracef("all disks are lost")
		for _, m := range w.members {
			m.disk.lose()
			m.id = ""
		}
	}
	all := w.members
	defer func() { w.members = all }()
	w.members = w.members[:1]
	for range 3 {
		if !w.passTimeout("restoring again") {
			return
		}
	}
	if w.closeAll("after restoring again") {
		w.stopAll()
	}
}

// closeAll moves the clock until the check holds.
func (w *world) closeAll(when string) bool {
	var err error
	for range liveRounds {
		if !w.passTimeout(when) {
			return false
		}
		if err = w.check(); err == nil {
			return true
		}
	}
	w.failf("check %s: %v", when, err)
	return false
}

// passTimeout moves the clock by the timeout, in steps that end no session, and lets everything run.
func (w *world) passTimeout(when string) bool {
	step := w.config.session / 5
	for left := w.config.engine.IdleTimeout; left > 0; left -= step {
		w.clock.Advance(min(left, step))
		w.everybody(false)
		for hasCalls(w.plan.Graph) && w.everybody(false) { // a step of the clock is longer than a call, and a transaction must not outlast it
			continue
		}
	}
	return w.settle(when)
}

// onlyWatermarks reports whether a partition holds only control records of the engine from an offset on.
func (w *world) onlyWatermarks(tp broker.TopicPartition, from int64) bool {
	if !w.simulation.Live {
		return false
	}
	for _, r := range w.broker.Read(tp, from) {
		if !eventtime.IsWatermark(&r) {
			return false
		}
	}
	return true
}

// promises checks the records of repartition topics against the watermarks in front of them. The task that has written a record is
// that of the partition of its key, unless partitions are added.
func (w *world) promises() error {
	if w.simulation.Grows {
		return nil
	}
	for _, n := range w.plan.Graph.Nodes {
		if n.Sink == nil || n.Sink.Repartition == "" {
			continue
		}
		writers := w.writersOf(n)
		topic := w.plan.Topic(n)
		for p := range w.partitions[topic] {
			tp := broker.TopicPartition{Topic: topic, Partition: p}
			promised := map[int32]int64{}
			for _, r := range w.readAll(tp) {
				if eventtime.IsWatermark(&r) {
					task, millis, err := eventtime.Promised(&r)
					if err != nil {
						return fmt.Errorf("%s at offset %d: %w", tp, r.Offset, err)
					}
					promised[task] = millis
					continue
				}
				task := partitionOf(r.Key, writers)
				if millis, ok := promised[task]; ok && r.Millis < millis {
					return fmt.Errorf("%s at offset %d: a record of %d, and task %d has promised %d", tp, r.Offset, r.Millis, task, millis)
				}
			}
		}
	}
	return nil
}

// writersOf returns the number of tasks that write a repartition topic.
func (w *world) writersOf(n *graph.Node) (tasks int32) {
	if n.Source != nil {
		return w.partitions[w.plan.Topic(n)]
	}
	for _, p := range n.Parents {
		tasks = max(tasks, w.writersOf(p))
	}
	return tasks
}
