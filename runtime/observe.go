package runtime

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
)

// observe tells the provider the values of all observed instruments. The provider calls it on goroutines of its own, when it collects.
func (m *meter) observe(_ context.Context, to metric.Observer) error {
	status := m.app.Status()
	o := observation{meter: m, to: to}
	for s := Starting; s <= Stopped; s++ {
		o.int(mState, boolInt(status.State == s), attribute.String("weir.state", s.String()))
	}
	o.float(mClusterUnreachable, age(status.UnreachableSince))
	o.int(mMissingTopics, int64(len(status.MissingTopics)))
	o.workers()
	o.tasks(status.Tasks)
	for _, t := range status.Globals {
		topic := destination(t.Topic)
		o.int(mGlobalRows, t.Rows, topic)
		o.int(mGlobalRemaining, t.Remaining, topic)
		o.int(mLag, t.Lag, kafkaSystem, topic)
		o.dropped(engine.TaskStatus{Skipped: t.Skipped, Ignored: t.Ignored, NullKeys: t.NullKeys, DeadLetters: t.DeadLetters}, topic)
	}
	o.sources(status)
	o.databases()
	m.app.stores.Counts(func(result string, n int64) { o.int(mQueries, n, attribute.String("weir.result", result)) })
	return nil
}

// observation is one collection.
type observation struct {
	*meter
	to metric.Observer
}

func (o *observation) int(name string, value int64, attributes ...attribute.KeyValue) {
	o.to.ObserveInt64(o.ints[name], value, metric.WithAttributes(append(attributes, o.group)...))
}

func (o *observation) float(name string, value float64, attributes ...attribute.KeyValue) {
	o.to.ObserveFloat64(o.floats[name], value, metric.WithAttributes(append(attributes, o.group)...))
}

// workers observes workers, with the counts of the tasks that each has had.
func (o *observation) workers() {
	workers := o.app.workers.Load()
	if workers == nil {
		return
	}
	sent := map[string]int64{}
	tasks, consumed := map[string]*engine.TaskStatus{}, map[broker.TopicPartition]int64{}
	for i, w := range *workers {
		worker, f := workerAttribute(i), w.engine.Figures()
		o.float(mBusy, f.Busy.Seconds(), worker)
		o.float(mHeld, age(f.HeldSince), worker)
		o.float(mUncommitted, age(f.UncommittedSince), worker)
		o.int(mRewinds, f.Rewinds, worker)
		for topic, n := range f.Sent {
			sent[topic] += n
		}
		open := w.engine.Status()
		for _, t := range append(f.ClosedTasks, open...) {
			if tasks[t.Name] == nil {
				tasks[t.Name] = &engine.TaskStatus{}
			}
			tasks[t.Name].Add(t)
		}
		for _, t := range open {
			o.int(mRebuilds, t.Rebuilt, taskAttribute(t.Name))
			o.int(mUncommittedSize, t.UncommittedBytes, taskAttribute(t.Name))
		}
		for _, in := range append(f.ClosedInputs, f.Inputs...) {
			consumed[broker.TopicPartition{Topic: in.Topic, Partition: in.Partition}] += in.Records
		}
	}
	for topic, n := range sent {
		o.int(mSent, n, kafkaSystem, attribute.String("messaging.operation.name", "send"), destination(topic))
	}
	for tp, n := range consumed {
		o.int(mConsumed, n, kafkaSystem, attribute.String("messaging.operation.name", "poll"), destination(tp.Topic), partitionID(tp.Partition))
	}
	for name, t := range tasks {
		o.dropped(*t, taskAttribute(name))
		o.int(mRestoreRecords, t.Restored, taskAttribute(name))
		o.int(mRestoreSize, t.RestoredBytes, taskAttribute(name))
	}
}

func taskAttribute(name string) attribute.KeyValue { return attribute.String("weir.task", name) }

// dropped observes the records that something has not used.
func (o *observation) dropped(t engine.TaskStatus, of attribute.KeyValue) {
	for _, d := range []struct {
		reason  string
		records int64
	}{{"failed", t.Skipped}, {"ignored", t.Ignored}, {"late", t.Late}, {"null_key", t.NullKeys}} {
		o.int(mDropped, d.records, of, attribute.String("weir.reason", d.reason))
	}
	o.int(mDeadLetters, t.DeadLetters, of)
}

// tasks observes the tasks that this member has.
func (o *observation) tasks(tasks []TaskStatus) {
	restoring, paused := 0, 0
	for _, t := range tasks {
		task := taskAttribute(t.Name)
		if t.Restoring {
			restoring++
		}
		if t.Paused {
			paused++
		}
		o.int(mRestoreRemaining, t.Remaining, task)
		o.float(mRestoreLeft, t.RestoreLeft.Seconds(), task)
		if !t.StreamTime.IsZero() {
			o.float(mStreamTimeLag, age(t.StreamTime), task)
		}
		for _, in := range t.Inputs {
			partition := []attribute.KeyValue{kafkaSystem, destination(in.Topic), partitionID(in.Partition)}
			o.int(mLag, in.Lag, partition...)
			if in.Lag == 0 || in.Behind > 0 {
				o.float(mLagTime, in.Behind.Seconds(), partition...)
			}
		}
	}
	o.int(mTasks, int64(restoring), attribute.String("weir.task.state", "restoring"))
	o.int(mTasks, int64(len(tasks)-restoring), attribute.String("weir.task.state", "running"))
	o.int(mPaused, int64(paused))
}

// sources observes the slots of sources that this member reads.
func (o *observation) sources(status Status) {
	for _, s := range status.Sources {
		slot := []attribute.KeyValue{attribute.String("weir.source", s.Source), attribute.Int64("weir.source.slot", int64(s.Slot))}
		o.int(mSourceRecords, s.Records, slot...)
		o.int(mSourceSize, s.Bytes, slot...)
		o.int(mSourceFailures, s.Failures, slot...)
		for _, splits := range []struct {
			state string
			n     int
		}{{"open", len(s.Splits)}, {"waiting", s.Waiting}, {"finished", s.Finished}} {
			o.int(mSourceSplits, int64(splits.n), append(slot, attribute.String("weir.source.split.state", splits.state))...)
		}
	}
}

// databases observes the databases on disk.
func (o *observation) databases() {
	s := o.app.databases.Load()
	if s == nil || s.pebble == nil {
		return
	}
	for _, db := range s.pebble.Databases() {
		task := taskAttribute(s.taskOf(db.Dir))
		o.int(mStateSize, db.Bytes, task)
		o.int(mCompactionDebt, db.CompactionDebt, task)
	}
	stats := s.pebble.Stats()
	o.int(mCacheSize, stats.CacheBytes)
	o.int(mCacheReads, stats.CacheHits, attribute.String("weir.cache.result", "hit"))
	o.int(mCacheReads, stats.CacheMisses, attribute.String("weir.cache.result", "miss"))
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
