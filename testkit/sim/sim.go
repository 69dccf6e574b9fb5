package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/stream"
)

// Guarantee is how often a record counts.
type Guarantee int8

// The guarantees.
const (
	// Either lets the seed choose.
	Either Guarantee = iota
	AtLeastOnce
	ExactlyOnce
)

// Simulation is a topology with its input and its faults.
type Simulation struct {
	Topology *stream.Topology
	// Reference is the topology of the model: the topology itself, if it is nil. Otherwise one that has the same topics and
	// stores, and writes more to the topics in Suppressed: all results, also those that the topology holds back.
	Reference  *stream.Topology
	Suppressed []string
	// Inputs makes the records of the input topics. It is called once per run. Random parts of them come from the
	// given source.
	Inputs func(*rand.Rand) []Input
	// Faults are the kinds of faults that may happen. 0 means none.
	Faults Fault
	// Guarantee, Members, Workers and Partitions are fixed if they are not zero, and chosen by the seed otherwise: 1 to 3
	// members of 1 or 2 workers, 1 to 4 partitions of every topic that does not ask for a number.
	Guarantee                    Guarantee
	Members, Workers, Partitions int
	// Check, if it is not nil, checks a run when all input is processed, besides the comparison with the
	// model: its error is a problem of the run. What comes of a topology with a store without a changelog depends on where its tasks
	// run, so it is not compared with the model, and Check alone decides.
	Check func(Outcome) error
	// Skip, if it is not nil, is the error policy: it says which errors of the topology's functions skip their record. Others end
	// the process. The model skips the same records, so which ones these are must not depend on chance.
	Skip func(error) bool
	// DeadLetters writes the records that Skip names to the topic DeadLettersTopic, which Check can read.
	DeadLetters bool
	// Live sets Config.IdleTimeout, and gives each record of the input the time of the clock when it is written. When windows
	// close depends on the clock then, so the output and the state are not compared with the model: Check has to say whether
	// the output is right, and is asked again, for a while, until it is. A record with a negative Millis is old: the
	// world chooses by how much. Old records that follow each other are written at once, and have one time.
	Live bool
	// Loses lets the world lose input: retention deletes records behind the committed offsets, and topics are made anew while no
	// process runs. The seed chooses Config.Topics.OnLostInput. If that says to fail, processes end in the first act, and go on without the
	// lost input in the second. Check takes the place of the model; topics of the input have all records that they ever held.
	Loses bool
	// Truncates lets the world cut logs of the input off as well, as unclean elections of leaders do, in front of committed offsets and behind
	// them. It needs Loses. Check sees the records that were cut off, and behind them those that came after.
	Truncates bool
	// Grows lets the world add partitions to topics of the input, also while static members or all are down. Without state directly behind
	// them, the topics grow by one or two partitions. With state that has a changelog they grow once, to a multiple, and every process has to end with an
	// error that says so; then the topics are made anew with the old number of partitions, or all is with the new one.
	Grows bool
	// Pauses lets the world pause parts of the topology in single processes, and let them go on again.
	Pauses bool
	// NoPebble keeps state in memory always, and not in a Pebble database once in 20 runs.
	NoPebble bool
	// Trace is called with a line for everything that happens. It may be nil.
	Trace func(line string)

	running *world
}

// Input is the final content of a topic of the input.
type Input struct {
	Topic   string
	Records []Record
	// Later is how many of the last records of a global table's topic are written while processes run. The others are there
	// before. A join with a global table is not aligned in time, and the model has the whole table: results must not depend on
	// later records.
	Later int
}

// Record is a record of the input. It goes to the partition of its key.
type Record struct {
	Key, Value []byte
	Headers    []weir.Header
	Millis     int64
}

// Outcome is the final content of topics.
type Outcome struct {
	// ExactlyOnce is the guarantee of the run.
	ExactlyOnce bool
	// InOrder says that all input was there from the start: a task with several input topics has processed it in the order
	// of timestamps, in spite of all faults.
	InOrder bool
	// Kept says that there was one member, and that its disk was never lost, and that no input has grown: also stores without a changelog have kept their state.
	Kept bool
	// Read returns the committed records of a topic, by partition and in the order of their offsets.
	Read func(topic string) [][]Record
	// Losses returns which records of a topic may not have been processed, by partition.
	Losses func(topic string) [][]Loss
	// Promises checks, of a live topology whose records keep their keys, that no task has written a record to a repartition topic
	// that is older than it has promised there. It takes ExactlyOnce: otherwise the same is written by several.
	Promises func() error
	// Processed returns the records of the tasks that read a topic, of all their inputs, by partition and in the final order
	// of processing.
	Processed func(topic string) [][]Processed
}

// Processed is a record of the input with its place.
type Processed struct {
	Record
	Topic     string
	Partition int32
	Offset    int64
	// Position is the place of the record in the records of its partition that Outcome.Read returns.
	Position int
}

// Report is the result of a run.
type Report struct {
	Seed uint64
	// Steps counts calls to the cluster and the disks, Processes how many were started, Crashes how many were killed, and
	// Errors how many ended because of an error that a fault explains.
	Steps, Processes, Crashes, Errors int
	// Digest is a hash of all steps: two runs of one seed have the same.
	Digest uint64
	// Problems are the differences from the model. A right run has none.
	Problems []string
}

// Err returns the problems as one error, or nil.
func (r *Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	return fmt.Errorf("seed %d: %s", r.Seed, strings.Join(r.Problems, "\n"))
}

// Run plays the run of a seed. One Simulation runs one seed at a time.
func (s *Simulation) Run(seed uint64) *Report {
	report := &Report{Seed: seed}
	w, err := newWorld(s, seed)
	if err != nil {
		report.Problems = []string{err.Error()}
		return report
	}
	closeSinks, err := s.Topology.Graph().ConnectExternals(context.Background())
	defer func() {
		for _, err := range closeSinks(context.Background()) {
			report.Problems = append(report.Problems, err.Error())
		}
	}()
	if err != nil {
		report.Problems = []string{err.Error()}
		return report
	}
	s.running = w
	defer func() { s.running = nil }()
	w.run()
	report.Steps, report.Processes, report.Crashes, report.Errors = w.steps, w.processes, w.crashes, w.errors
	report.Digest, report.Problems = w.digest, w.problems
	return report
}
