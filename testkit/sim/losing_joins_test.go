package sim_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit/sim"
)

// The topologies of this file have tasks with two inputs, and lose records of both.
func init() {
	both := []string{"orders", "returns"}
	topologies = append(
		topologies,
		topologyOf{name: "lost input of two merged topics", build: mergedWithState, inputs: both, loses: true, check: checkLosses{"lines", sumWritten}.check},
		topologyOf{name: "lost input of a join", build: lostJoin, inputs: both, loses: true, check: checkLosses{"out", joinWritten}.check},
	)
}

const lostJoinGrace = 10 * time.Millisecond

func lostJoin(faulty func() error) *stream.Topology {
	t := stream.NewTopology()
	t.From(orders).LeftJoinAsOf(t.From(returns), join.AsOf{}.Grace(lostJoinGrace), func(l order, r *order) order {
		return pairOf(faulty, &l, r)
	}).To(out)
	return t
}

// mostEmptied is how often the state of a task may be emptied so that each possible course can still be followed.
const mostEmptied = 6

// checkLosses checks a topology whose tasks have two inputs: what a task has written is, record by record, what comes of the
// records that it has processed, and these are all but the lost ones.
type checkLosses struct {
	topic string
	// of returns what is written because of a record, given the records that the task has processed before since its
	// state was empty.
	of func(before []sim.Processed, r *sim.Processed) (written any, ok bool)
}

// sumWritten is the model of mergedWithState.
func sumWritten(before []sim.Processed, r *sim.Processed) (any, bool) {
	sum := 0
	for i := range before {
		if b := &before[i]; string(b.Key) == string(r.Key) {
			sum = next(sum, signed(b))
		}
	}
	in := signed(r)
	return line{in.ID, sum + in.Amount, fmt.Sprint(r.Topic, r.Partition), r.Offset}, true
}

// signed returns an order as mergedWithState counts it.
func signed(r *sim.Processed) order {
	o := decodeOrder(r.Record)
	if r.Topic == "returns" {
		o.ID, o.Amount = -o.ID, -o.Amount
	}
	return o
}

// joinWritten is the model of lostJoin. Of returns of one time the last one counts; one that is older than the latest by more than the
// grace does not count.
func joinWritten(before []sim.Processed, r *sim.Processed) (any, bool) {
	if r.Topic != "orders" {
		return nil, false
	}
	var returned []*sim.Processed
	latest := int64(-1 << 40)
	for i := range before {
		if b := &before[i]; b.Topic == "returns" && string(b.Key) == string(r.Key) {
			returned = append(returned, b)
			latest = max(latest, b.Millis)
		}
	}
	var match *sim.Processed
	for _, b := range returned {
		if b.Millis <= r.Millis && b.Millis >= latest-lostJoinGrace.Milliseconds() && (match == nil || b.Millis >= match.Millis) {
			match = b
		}
	}
	o := decodeOrder(r.Record)
	joined := order{ID: 1000 * o.ID, Shop: o.Shop}
	if match != nil {
		other := decodeOrder(match.Record)
		joined.ID, joined.Amount = joined.ID+other.ID, other.Amount
	}
	return joined, true
}

func (c checkLosses) check(o sim.Outcome) error {
	if !o.ExactlyOnce {
		return nil // what was done again may have met another order, and other losses
	}
	losses := map[string][][]sim.Loss{"orders": o.Losses("orders"), "returns": o.Losses("returns")}
	input := map[string][][]sim.Record{"orders": o.Read("orders"), "returns": o.Read("returns")}
	written := o.Read(c.topic)
	for p, processed := range o.Processed("orders") {
		at := map[string]int{} // the position behind the last processed record, by topic
		for _, r := range processed {
			if err := mayMiss(r.Topic, losses[r.Topic][p], at[r.Topic], r.Position); err != nil {
				return fmt.Errorf("partition %d: %w", p, err)
			}
			at[r.Topic] = r.Position + 1
		}
		for topic := range input {
			if err := mayMiss(topic, losses[topic][p], at[topic], len(input[topic][p])); err != nil {
				return fmt.Errorf("partition %d: %w", p, err)
			}
		}
		emptied := emptiedOf(losses, p)
		if len(emptied) > mostEmptied {
			continue
		}
		if err := c.compare(processed, written[p], emptied); err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return nil
}

// mayMiss checks that the records between two positions are lost.
func mayMiss(topic string, losses []sim.Loss, from, to int) error {
	for i := from; i < to; i++ {
		if !slices.ContainsFunc(losses, func(l sim.Loss) bool { return l.From <= i && i < l.To }) {
			return fmt.Errorf("record %d of %s was not processed, and not lost", i, topic)
		}
	}
	if from > to {
		return fmt.Errorf("record %d of %s was processed behind record %d", to, topic, from-1)
	}
	return nil
}

// emptied is a loss that has emptied the state of a task.
type emptied struct {
	topic string
	sim.Loss
	others []sim.Loss // of the topic
}

// begins reports whether the task may have come to the loss, having processed the records up to a position.
func (l *emptied) begins(at int) bool {
	return at >= l.From || mayMiss(l.topic, l.others, at, l.From) == nil
}

// emptiedOf returns the losses that have emptied the state of a task.
func emptiedOf(losses map[string][][]sim.Loss, p int) (all []emptied) {
	for _, topic := range []string{"orders", "returns"} {
		for _, l := range losses[topic][p] {
			if l.Emptied {
				all = append(all, emptied{topic, l, losses[topic][p]})
			}
		}
	}
	return all
}

// compare follows a task record by record. Nobody knows when its state was emptied exactly: each loss that empties it does so
// behind the last record in front of the lost ones, and in front of the first behind them.
func (c checkLosses) compare(processed []sim.Processed, written []sim.Record, losses []emptied) error {
	type course struct {
		done  int // the losses that have emptied the state, a bit each
		since int // the first record since
	}
	courses := map[course]bool{{}: true}
	at := map[string]int{}
	n := 0
	for i := range processed {
		r := &processed[i]
		for bit := range losses {
			l := &losses[bit]
			for one := range courses {
				if one.done>>bit&1 == 0 && l.begins(at[l.topic]) {
					courses[course{one.done | 1<<bit, i}] = true
				}
			}
			if r.Topic == l.topic && r.Position >= l.To && l.To > l.From {
				for one := range courses {
					if one.done>>bit&1 == 0 {
						delete(courses, one)
					}
				}
			}
		}
		at[r.Topic] = r.Position + 1
		var wanted []string
		for one := range courses {
			result, ok := c.of(processed[one.since:i], r)
			if !ok {
				continue
			}
			want, err := json.Marshal(result)
			if err != nil {
				return err
			}
			if n >= len(written) || string(written[n].Value) != string(want) || written[n].Millis != r.Millis {
				wanted = append(wanted, string(want))
				delete(courses, one)
			}
		}
		if len(courses) == 0 {
			got := "nothing"
			if n < len(written) {
				got = fmt.Sprintf("%s @%d", written[n].Value, written[n].Millis)
			}
			return fmt.Errorf("record %d of %s at %d was processed and %s was written, want one of %v", r.Position, r.Topic, r.Millis, got, wanted)
		}
		if _, ok := c.of(nil, r); ok {
			n++
		}
	}
	if n < len(written) {
		return fmt.Errorf("%d records were written, want %d", len(written), n)
	}
	return nil
}
