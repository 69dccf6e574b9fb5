package sim

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
)

// Loss is a range of records that were possibly not processed: From and To are positions in what Outcome.Read returns of a
// partition.
type Loss struct {
	From, To int
	// Emptied says that the policy was to empty the state, and to go on behind the end of the topic: the records were there.
	Emptied bool
	// begun is set if the group had committed an offset: else a process begins with the first record that there is.
	begun bool
}

// oneLossIn is how seldom input is lost in the first act, in steps of it.
const oneLossIn = 120

// losing has the records that are gone, and those that no process may have seen.
type losing struct {
	// gone are the records of topics that were made anew since.
	gone map[broker.TopicPartition][]broker.Record
	may  map[broker.TopicPartition][]Loss
	// remade counts how often topics were made anew, and ends has the ends of their partitions each time.
	remade map[string]int
	ends   map[broker.TopicPartition][]int
	// cuts are the truncations of the logs of the present topics, by offset.
	cuts map[broker.TopicPartition][]cut
	// began are the positions of the first records of the present topics, where there are cuts.
	began map[broker.TopicPartition]int
}

// cut says that records from an offset on, at a position of what readAll returns, came after a truncation.
type cut struct {
	offset   int64
	position int
}

// configureLosses lets the seed choose the policy.
func (w *world) configureLosses(r random, s *Simulation) {
	if !s.Loses {
		return
	}
	w.losing = losing{
		gone: map[broker.TopicPartition][]broker.Record{}, may: map[broker.TopicPartition][]Loss{},
		remade: map[string]int{}, ends: map[broker.TopicPartition][]int{}, cuts: map[broker.TopicPartition][]cut{}, began: map[broker.TopicPartition]int{},
	}
	w.atOnce = false
	if s.Truncates { // the end of a log, where an emptied task goes on, has no leader epoch that is known
		w.config.engine.LostInput = pick(r, engine.LostFail, engine.LostContinue)
		return
	}
	w.config.engine.LostInput = pick(r, engine.LostFail, engine.LostContinue, engine.LostReset)
}

// inputPartitions returns the partitions of the input topics.
func (w *world) inputPartitions() (tps []broker.TopicPartition) {
	for i := range w.inputs {
		for p := range w.partitions[w.inputs[i].topic] {
			tps = append(tps, broker.TopicPartition{Topic: w.inputs[i].topic, Partition: p})
		}
	}
	return tps
}

// loseInput deletes records of a partition that were not processed, or makes a topic anew.
func (w *world) loseInput() {
	tps := w.inputPartitions()
	tp := tps[w.random.IntN(len(tps))]
	if w.random.oneIn(4) {
		w.makeAnew(tp.Topic)
		return
	}
	if w.simulation.Truncates && w.random.oneIn(2) {
		w.truncate(tp)
		return
	}
	committed, end := w.unprocessed(tp), w.broker.End(tp)
	if committed >= end {
		return
	}
	before := committed + 1 + w.random.Int64N(end-committed)
	w.tracef("retention deletes %s before %d, and %d is committed", tp, before, committed)
	w.mayLose(tp, committed, before, false)
	w.purge(map[broker.TopicPartition]int64{tp: before})
}

// mayLose notes that records of the present topic were possibly not processed.
func (w *world) mayLose(tp broker.TopicPartition, from, to int64, emptied bool) {
	_, begun := w.broker.Committed(groupName)[tp]
	w.losing.may[tp] = append(w.losing.may[tp], Loss{w.position(tp, from), w.position(tp, to), emptied, begun})
}

// position returns the position of an offset of the present log in what readAll returns.
func (w *world) position(tp broker.TopicPartition, offset int64) int {
	cuts := w.losing.cuts[tp]
	position := len(w.losing.gone[tp])
	if len(cuts) > 0 {
		position = w.losing.began[tp]
	}
	last := cut{0, position}
	for _, c := range cuts {
		if c.offset <= offset {
			last = c
		}
	}
	return last.position + int(offset-last.offset)
}

// uncut returns the offset from which on records of the present log are not among those that are gone.
func (w *world) uncut(tp broker.TopicPartition) int64 {
	if cuts := w.losing.cuts[tp]; len(cuts) > 0 {
		return cuts[len(cuts)-1].offset
	}
	return 0
}

// makeAnew deletes a topic while nobody uses it. The group's offsets go with it.
func (w *world) makeAnew(topic string) {
	for _, m := range w.members {
		if m.process != nil {
			w.kill(m.process)
		}
	}
	w.deliverLate()
	w.clock.Advance(w.config.transaction + 10*time.Second) // open transactions end
	w.tracef("%s is made anew", topic)
	for p := range w.partitions[topic] {
		tp := broker.TopicPartition{Topic: topic, Partition: p}
		w.mayLose(tp, w.unprocessed(tp), w.broker.End(tp), false)
		w.losing.gone[tp] = w.readAll(tp)
		delete(w.losing.cuts, tp)
		w.losing.ends[tp] = append(w.losing.ends[tp], len(w.losing.gone[tp]))
		delete(w.purged, tp)
		delete(w.committed, tp)
	}
	w.losing.remade[topic]++
	w.broker.DeleteTopic(topic)
	w.broker.Forget(groupName, topic)
	if err := w.broker.CreateTopic(broker.TopicSpec{Name: topic, Partitions: w.partitions[topic], Replication: -1}); err != nil {
		w.failf("make %s anew: %v", topic, err)
	}
}

// unprocessed returns the first offset of the present log that may not be processed: the committed one, or that of a truncation that
// nobody may have noticed.
func (w *world) unprocessed(tp broker.TopicPartition) int64 {
	committed := w.broker.Committed(groupName)[tp]
	if w.simulation.Truncates && w.losing.remade[tp.Topic] > 0 && w.config.engine.LostInput == engine.LostFail {
		return 0 // a process may have repeated the offset of a former topic
	}
	if len(w.losing.cuts[tp]) > 0 {
		return min(committed, w.losing.cuts[tp][0].offset)
	}
	return committed
}

// truncate cuts the log of a partition off near the committed offset. Records in front of it were processed and stay so; their places are
// taken by others.
func (w *world) truncate(tp broker.TopicPartition) {
	start, end := w.uncut(tp), w.broker.End(tp)
	if purged := w.purged[tp]; len(purged) > 0 {
		start = purged[len(purged)-1].Offset + 1
	}
	commit, begun := w.broker.Commit(groupName, tp)
	if begun && commit.LeaderEpoch < 0 || commit.Offset < start || start >= end {
		return
	}
	at := start + w.random.Int64N(end-start+1)
	if w.random.oneIn(2) {
		at = min(max(start, commit.Offset-w.random.Int64N(4)), end)
	}
	w.tracef("%s is truncated at %d: it held %d to %d, and %d is committed", tp, at, start, end, commit.Offset)
	if lost := max(at, w.unprocessed(tp)); lost < end {
		w.mayLose(tp, lost, end, false)
	}
	if len(w.losing.cuts[tp]) == 0 {
		w.losing.began[tp] = len(w.losing.gone[tp])
	}
	w.losing.gone[tp] = w.readAll(tp)
	w.losing.cuts[tp] = append(w.losing.cuts[tp], cut{at, len(w.losing.gone[tp])})
	delete(w.purged, tp)
	if err := w.broker.Truncate(tp, at); err != nil {
		w.failf("truncate %s: %v", tp, err)
	}
}

// goOnAfterLosses lets those processes go on that lost input has ended: their policy is another one from now on. Input in front
// of the committed offsets is not lost: a process with the policy to fail has passed nothing.
func (w *world) goOnAfterLosses() {
	if w.config.engine.LostInput != engine.LostFail {
		return
	}
	w.config.engine.LostInput = engine.LostContinue
	committed := w.broker.Committed(groupName)
	for tp, losses := range w.losing.may {
		if len(w.losing.cuts[tp]) > 0 {
			continue // nobody may have noticed
		}
		processed := len(w.losing.gone[tp])
		for i := range losses {
			if losses[i].To > processed && losses[i].begun { // a loss of the present topic
				losses[i].From = max(losses[i].From, processed+int(committed[tp]))
			}
		}
		w.losing.may[tp] = slices.DeleteFunc(losses, func(l Loss) bool { return l.From >= l.To })
	}
}

// remadeBefore returns how often a topic was made anew before the record at a position of what readAll returns was written.
func (w *world) remadeBefore(tp broker.TopicPartition, position int) int {
	for n, end := range w.losing.ends[tp] {
		if position < end {
			return n
		}
	}
	return w.losing.remade[tp.Topic]
}

// lossesOf returns the records of a topic that were possibly not processed.
func (w *world) lossesOf(topic string) [][]Loss {
	losses := make([][]Loss, w.partitions[topic])
	for p := range losses {
		losses[p] = w.losing.may[broker.TopicPartition{Topic: topic, Partition: int32(p)}]
	}
	return losses
}

// noteLoss takes notice of a message about lost input in the log. It reports whether it is one.
func (w *world) noteLoss(r *slog.Record) bool {
	if w.losing.gone == nil || !strings.HasPrefix(r.Message, "input is gone that was not processed") {
		return false
	}
	if !strings.Contains(r.Message, "state emptied") {
		return true
	}
	var cause string
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			cause = fmt.Sprint(a.Value)
		}
		return true
	})
	committed := w.broker.Committed(groupName)
	for _, tp := range w.inputPartitions() {
		if strings.Contains(cause, tp.String()) {
			w.mayLose(tp, committed[tp], w.broker.End(tp), true)
			return true
		}
	}
	return false
}

// lostInput matches the error of a process that was not to go on.
var lostInput = regexp.MustCompile("the next record of group .* is gone: .*; Config.Topics.OnLostInput says how to go on")

// finishLosses is the end of a run where the state may have been emptied, or topics were made anew: the check takes the place of
// the model.
func (w *world) finishLosses() {
	if w.simulation.Check == nil {
		w.failf("a simulation that loses input without a check")
		return
	}
	w.checkPartitions()
	w.checkOffsets()
	w.checkOutcome()
	owners := w.owners()
	if !w.stopAll() {
		return
	}
	want := &expectation{state: map[string]map[string]map[string]string{}}
	for _, t := range w.tasks() {
		b, err := owners[t.dir].disk.open(t.dir)
		if err != nil {
			w.failf("state at the end: %v", err)
			return
		}
		rows, err := readStores(b)
		if err != nil {
			w.failf("state at the end: %v", err)
		}
		want.state[t.dir] = rows.stores
		_ = b.Close() // nothing was written
	}
	w.checkChangelogs(want)
	if len(w.problems) == 0 {
		w.restoreAgain(want, owners)
	}
}
