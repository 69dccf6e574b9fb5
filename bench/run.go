package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// order is the order of the scenarios in a repetition and in the table.
var order = []string{
	"floor consume",
	"floor stateless", "franz stateless", "weir stateless",
	"floor windowed", "franz windowed", "weir windowed",
}

// options are the flags of run.
type options struct {
	n, runs, partitions, workers int
	data                         data
	results, profiles            string
}

func runCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	var o options
	flags.IntVar(&o.n, "n", 1_000_000, "number of flights")
	flags.IntVar(&o.runs, "runs", 3, "repetitions of each scenario")
	flags.IntVar(&o.partitions, "partitions", 4, "partitions of every topic")
	flags.IntVar(&o.workers, "workers", 0, "workers of Weir; 0 is its default, GOMAXPROCS")
	flags.StringVar(&o.results, "results", "results", "folder for the measurements as JSON; empty keeps none")
	flags.StringVar(&o.profiles, "profiles", "", "folder for a CPU and an allocation profile of each run; they slow it down a little")
	o.data.register(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	report, err := measureAll(ctx, o, os.Stderr)
	if err != nil {
		return err
	}
	if err := report.print(os.Stdout); err != nil {
		return err
	}
	if o.results == "" {
		return nil
	}
	path, err := report.save(o.results)
	if err == nil {
		fmt.Println("measurements:", path)
	}
	return err
}

// measureAll measures every scenario, interleaved so that a change of the machine's mood meets them all.
func measureAll(ctx context.Context, o options, progress io.Writer) (*report, error) {
	return measureScenarios(ctx, o, progress, func(int) []string { return order })
}

// measureScenarios measures the scenarios of each repetition.
func measureScenarios(ctx context.Context, o options, progress io.Writer, scenarios func(repetition int) []string) (_ *report, err error) {
	if o.n < 1 || o.runs < 1 || o.partitions < 1 {
		return nil, errors.New("-n, -runs and -partitions must be positive")
	}
	for _, folder := range []string{o.results, o.profiles} {
		if folder == "" {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
	}
	broker, err := startBroker(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	defer func() {
		if closeErr := broker.close(); err == nil && closeErr != nil {
			err = fmt.Errorf("stop the broker: %w", closeErr)
		}
	}()
	fmt.Fprintf(progress, "loading %d flights: %s\n", o.n, o.data)
	const input = "flights"
	loaded, err := load(ctx, []string{broker.address}, input, o.data, o.n, int32(o.partitions))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	r := newReport(o)
	checks := checks{loaded: loaded, outputs: map[string]digest{}}
	for repetition := range o.runs {
		for _, scenario := range scenarios(repetition) {
			one, err := measureOne(ctx, o, broker, scenario, input, repetition, &checks)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", scenario, err)
			}
			r.Runs = append(r.Runs, one)
			fmt.Fprintf(progress, "  %d/%d %-15s %6.2f s CPU %6.2f s wall\n",
				repetition+1, o.runs, scenario, one.CPU.Seconds(), one.Wall.Seconds())
		}
	}
	return r, nil
}

// run is one measurement of one scenario.
type run struct {
	Scenario string `json:"scenario"`
	measurement
	BrokerCPU time.Duration `json:"broker_cpu_ns"`
	Output    digest        `json:"output"`
}

// measureOne measures a scenario in a process of its own, checks its output, and deletes it.
func measureOne(
	ctx context.Context, o options, broker *brokerProcess, scenario, input string, repetition int, checks *checks,
) (run, error) {
	name := fmt.Sprintf("%s-%d", strings.ReplaceAll(scenario, " ", "-"), repetition)
	args := append(strings.Fields(scenario),
		"-brokers", broker.address, "-input", input, "-name", name,
		"-partitions", strconv.Itoa(o.partitions), "-workers", strconv.Itoa(o.workers))
	if o.profiles != "" {
		base := filepath.Join(o.profiles, name)
		args = append(args, "-cpuprofile", base+".cpu.prof", "-memprofile", base+".mem.prof")
	}
	command, err := self(ctx, args...)
	if err != nil {
		return run{}, err
	}
	var out bytes.Buffer
	command.Stdout = &out
	before, err := broker.cpu()
	if err != nil {
		return run{}, err
	}
	if err := command.Run(); err != nil {
		return run{}, err
	}
	after, err := broker.cpu()
	if err != nil {
		return run{}, err
	}
	one := run{Scenario: scenario, BrokerCPU: after - before}
	if err := json.Unmarshal(out.Bytes(), &one.measurement); err != nil {
		return run{}, fmt.Errorf("read the measurement: %w", err)
	}
	if scenario != "floor consume" {
		if one.Output, err = digestTopic(ctx, []string{broker.address}, name); err != nil {
			return run{}, err
		}
	}
	if err := checks.check(one); err != nil {
		return run{}, err
	}
	return one, deleteTopics(ctx, []string{broker.address}, name)
}

// checks sees to it that nobody is fast by dropping work.
type checks struct {
	loaded  digest
	outputs map[string]digest // by what was computed: stateless, windowed
}

// check compares a run with the loaded records, and its output with that of all runs before, floor or Weir.
func (c *checks) check(r run) error {
	if r.Records != c.loaded.Records {
		return fmt.Errorf("read %d records of %d", r.Records, c.loaded.Records)
	}
	kind := r.Scenario[strings.Index(r.Scenario, " ")+1:]
	if kind == "consume" {
		if r.Read != c.loaded {
			return fmt.Errorf("decoded %+v, not the %+v that was loaded", r.Read, c.loaded)
		}
		return nil
	}
	want, ok := c.outputs[kind]
	if !ok {
		want = r.Output
		c.outputs[kind] = want
	}
	if r.Output.Records == 0 || r.Output != want {
		return fmt.Errorf("the output is %+v, that of the runs before was %+v", r.Output, want)
	}
	return nil
}
