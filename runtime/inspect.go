package runtime

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/drawing"
	"github.com/weirstreams/weir/secret"
)

// Inspection is a look into an App, for package runtime/view and pages like it. As JSON it keeps the promises of Status.
type Inspection struct {
	// Time is when it was made.
	Time   time.Time `json:"time"`
	Status Status    `json:"status"`
	// Operators are those of the topology, in the order of their declaration.
	Operators []OperatorStatus `json:"operators,omitempty"`
	// Topics are the topics that the topology reads and writes, changelogs among them, ordered by name.
	Topics []TopicStatus `json:"topics,omitempty"`
	// Sinks are the sinks outside of Kafka, in the order of their declaration.
	Sinks []SinkStatus `json:"sinks,omitempty"`
	// Stores are the stores of the topology, and Databases their databases on this member's disk, by task.
	Stores    []StoreStatus    `json:"stores,omitempty"`
	Databases []DatabaseStatus `json:"databases,omitempty"`
	// Checkpoints are the last 50 of this member, and Failures its last 50 records that could not be processed or were left out. The
	// newest comes first.
	Checkpoints []Checkpoint    `json:"checkpoints,omitempty"`
	Failures    []RecordFailure `json:"failures,omitempty"`
}

// OperatorStatus is the state of an operator, over all tasks of this member.
type OperatorStatus struct {
	// ID is the name of its box in the picture of the topology. It changes with the topology.
	ID string `json:"id"`
	// Name is that of Topology.Describe, Site the line that declares it, and SubTopology the stream id, empty for a global table.
	Name        string `json:"name"`
	Site        string `json:"site"`
	SubTopology string `json:"sub_topology,omitempty"`
	// Calls is how often the operator ran while Inspect was called at least each 10 s: once for each record, and for results, timers and
	// time that goes on. Operators that only hand records on are not counted.
	Calls int64 `json:"calls"`
	// Failed is how many of its records could not be processed since New; each attempt counts.
	Failed int64 `json:"failed"`
}

// TopicStatus is a topic of the topology. Counts are those of this member since Run has begun.
type TopicStatus struct {
	// ID is the name of its box in the picture of the topology, empty for changelogs and dead letters.
	ID string `json:"id,omitempty"`
	// Name is the name on the cluster.
	Name string `json:"name"`
	// Internal is true for a topic of the application alone.
	Internal bool `json:"internal"`
	// Consumed is the number of records that were processed or skipped, and Sent of those that were handed to the producer.
	Consumed int64 `json:"consumed"`
	Sent     int64 `json:"sent"`
	// Lag is the number of offsets between positions and ends, over the partitions that this member reads.
	Lag int64 `json:"lag"`
}

// StoreStatus is a store of the topology.
type StoreStatus struct {
	Name        string `json:"name"`
	SubTopology string `json:"sub_topology"`
	// Changelog is the name of the changelog topic, empty if the store has none.
	Changelog string `json:"changelog,omitempty"`
}

// DatabaseStatus is the database of a task, which holds its stores.
type DatabaseStatus struct {
	// Task is TaskStatus.Name.
	Task string `json:"task"`
	// Bytes is the space of its files, and CompactionDebt an estimate of the bytes that compactions have yet to rewrite.
	Bytes          int64 `json:"bytes"`
	CompactionDebt int64 `json:"compaction_debt"`
}

// SinkStatus is a sink outside of Kafka. Counts are those of this member.
type SinkStatus struct {
	Name string `json:"name"`
	Site string `json:"site"`
	// Flushes is the number of flushes, and Failed how many of them have failed. Took is the time of the last one, and Error its error.
	Flushes   int64         `json:"flushes"`
	Failed    int64         `json:"failed"`
	LastFlush time.Time     `json:"last_flush,omitzero"`
	Took      time.Duration `json:"-"`
	Error     string        `json:"error,omitempty"`
}

// RecordFailure is a record that could not be processed, or was left out.
type RecordFailure struct {
	At time.Time `json:"at"`
	// Topic, Partition and Offset are the place of the input record.
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// Operator and Site are the operator and its line.
	Operator string     `json:"operator"`
	Site     string     `json:"site"`
	Stage    weir.Stage `json:"stage"`
	// Action is that of the error policy: "fail", "skip", "dead letter" or "try again"; or "drop" for a record that an operator has left
	// out, which is noted while Inspect is called at least each 10 s.
	Action string `json:"action"`
	// Error is the text of the cause, of at most 2,000 bytes. It may show data.
	Error string `json:"error"`
}

// Setting is a field of Config as text.
type Setting struct {
	// Field is the path of the field, such as Checkpoint.Interval.
	Field string `json:"field"`
	// Value is asterisks for a secret that is set.
	Value string `json:"value"`
}

// watchedFor is how long calls of operators are counted after Inspect.
const watchedFor = 10 * time.Second

// watched reports whether somebody has called Inspect lately.
func (a *App) watched() bool { return time.Now().UnixNano() < a.watchedUntil.Load() }

// Inspect returns a look into the App. Any goroutine may call it at any time. It also lets workers count the calls of operators for 10 s, which
// costs about a nanosecond for each.
func (a *App) Inspect() Inspection {
	now := time.Now()
	a.watchedUntil.Store(now.Add(watchedFor).UnixNano())
	in := Inspection{Time: now, Status: a.Status()}
	counted, sent, consumed := make([]int64, len(a.plan.Graph.Nodes)), map[string]int64{}, map[string]int64{}
	if workers := a.workers.Load(); workers != nil {
		for _, w := range *workers {
			f := w.engine.Figures()
			for node, n := range f.Entered {
				counted[node] += n
			}
			for topic, n := range f.Sent {
				sent[topic] += n
			}
			for _, input := range append(f.ClosedInputs, f.Inputs...) {
				consumed[input.Topic] += input.Records
			}
		}
	}
	failed, flushes := a.recent.into(&in)
	in.Operators = a.operators(counted, failed)
	in.Topics = a.topicStatus(in.Status, consumed, sent)
	for _, n := range a.plan.Graph.Nodes {
		if n.External != nil && n.Source == nil {
			s := flushes[n.Detail]
			s.Name, s.Site = n.Detail, n.Site
			in.Sinks = append(in.Sinks, s)
		}
	}
	for _, part := range a.plan.SubTopologies {
		for _, s := range part.Stores {
			in.Stores = append(in.Stores, StoreStatus{Name: s.Name, SubTopology: part.StreamID, Changelog: s.Changelog})
		}
	}
	in.Databases = a.databaseStatus()
	return in
}

// operators returns the operators with their calls and failures.
func (a *App) operators(counted []int64, failed map[operatorPlace]int64) (all []OperatorStatus) {
	parts := map[int]string{}
	for _, part := range a.plan.SubTopologies {
		for _, n := range part.Nodes {
			parts[n.ID] = part.StreamID
		}
	}
	for _, n := range a.plan.Graph.Nodes {
		all = append(all, OperatorStatus{
			ID: drawing.Operator(n), Name: n.String(), Site: n.Site, SubTopology: parts[n.ID], Calls: counted[n.ID],
			Failed: failed[operatorPlace{n.String(), n.Site}],
		})
	}
	return all
}

func (a *App) topicStatus(status Status, consumed, sent map[string]int64) (all []TopicStatus) {
	internal, boxes := map[string]bool{}, map[string]string{}
	for _, topic := range a.plan.InternalTopics() {
		internal[topic] = true
	}
	d := a.Drawing()
	for _, box := range d.Topics {
		boxes[d.Labels[box]] = box
	}
	lag := map[string]int64{}
	for _, t := range status.Tasks {
		for _, input := range t.Inputs {
			lag[input.Topic] += input.Lag
		}
	}
	for _, t := range status.Globals {
		lag[t.Topic], consumed[t.Topic] = t.Lag, t.Records
	}
	names := map[string]bool{}
	for _, topic := range slices.Concat(a.plan.Topics(), slices.Collect(maps.Keys(sent))) {
		names[topic] = true
	}
	for _, topic := range slices.Sorted(maps.Keys(names)) {
		all = append(all, TopicStatus{ID: boxes[topic], Name: topic, Internal: internal[topic], Consumed: consumed[topic], Sent: sent[topic], Lag: lag[topic]})
	}
	return all
}

func (a *App) databaseStatus() (all []DatabaseStatus) {
	s := a.databases.Load()
	if s == nil || s.pebble == nil {
		return nil
	}
	for _, db := range s.pebble.Databases() {
		all = append(all, DatabaseStatus{Task: s.taskOf(db.Dir), Bytes: db.Bytes, CompactionDebt: db.CompactionDebt})
	}
	slices.SortFunc(all, func(a, b DatabaseStatus) int { return cmp.Compare(a.Task, b.Task) })
	return all
}

// taskOf returns the task whose database is in a folder.
func (s *databases) taskOf(dir string) string {
	name, err := filepath.Rel(s.dir, dir)
	if err != nil {
		name = dir
	}
	return filepath.ToSlash(name)
}

// Group returns the consumer group, with Config.Prefix.
func (a *App) Group() string { return a.plan.Group }

// Drawing returns the topology as boxes and arrows, with the names of topics on the cluster. It is for the packages of this module.
func (a *App) Drawing() drawing.Drawing { return drawing.Of(a.plan) }

// Settings returns the fields of Config that ConfigVariables names, with defaults and with asterisks for secrets.
func (a *App) Settings() []Setting {
	config := a.config
	value := reflect.ValueOf(&config).Elem()
	var all []Setting
	for _, f := range configFields(value.Type(), nil) {
		all = append(all, Setting{f.Field, f.text(f.value(value))})
	}
	return all
}

// text returns the value of a field for people.
func (f *configField) text(v reflect.Value) string {
	switch {
	case v.IsZero() && v.Kind() != reflect.Bool && choices[f.of] == nil:
		return ""
	case strings.Contains(f.Kind, "secret"):
		return secret.Mask
	}
	for word, n := range choices[f.of] {
		if v.Int() == n {
			return word
		}
	}
	if f.Kind == "list" {
		var items []string
		for i := range v.Len() {
			items = append(items, v.Index(i).String())
		}
		return strings.Join(items, ", ")
	}
	return fmt.Sprint(v.Interface())
}
