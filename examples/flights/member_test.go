package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
)

// memberVariable makes the test binary a process that runs the pipeline. It holds a member as JSON.
const memberVariable = "WEIR_TEST_MEMBER"

// member is a process that runs the pipeline, as one member of the group.
type member struct {
	Brokers            []string
	Name               string // of the group, and the prefix of the topics
	StateDir           string
	InstanceID         string
	SessionTimeout     time.Duration
	RebalanceTimeout   time.Duration
	CheckpointInterval time.Duration
	Guarantee          runtime.Guarantee
	TransactionTimeout time.Duration
	// Proxy is what all connections to brokers go through, if it is not empty.
	Proxy kafkatest.Detour
	// ReadTimeout is how long a response may take, if it is not zero.
	ReadTimeout time.Duration
	// Log is the file that the log is appended to, as lines of JSON.
	Log string
}

// report is what a member says, a line of JSON each, whenever it has changed.
type report struct {
	Read, Grouped int64
	Tasks         int
	Restoring     int
}

func runMember(text string) int {
	var m member
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log, err := os.OpenFile(m.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer log.Close()
	fmt.Fprintln(log) // the line before may have been cut by a kill
	logs := slog.New(slog.NewJSONHandler(log, nil))
	var read, grouped atomic.Int64
	config := runtime.Config{
		Connection: kafka.Connection{Brokers: m.Brokers}, Group: m.Name, State: runtime.StateConfig{Dir: m.StateDir}, Workers: 2,
		Membership: runtime.MembershipConfig{InstanceID: m.InstanceID, SessionTimeout: m.SessionTimeout, RebalanceTimeout: m.RebalanceTimeout},
		Checkpoint: runtime.CheckpointConfig{Interval: m.CheckpointInterval, TransactionTimeout: m.TransactionTimeout}, Logger: logs,
		Topics:    runtime.TopicConfig{KeepProcessed: true}, // the check reads the repartition topic
		Guarantee: m.Guarantee,
	}
	config.Connection.Sarama = func(c *sarama.Config) {
		if m.Proxy != "" {
			m.Proxy.Take(c)
		}
		c.Net.ReadTimeout = cmp.Or(m.ReadTimeout, c.Net.ReadTimeout)
	}
	app, err := runtime.New(Topology(NewTopics(m.Name, partitions), func(Flight) { read.Add(1) }, func(Flight) { grouped.Add(1) }), config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	done := make(chan error, 1)
	go func() { done <- app.Run(context.Background()) }()
	out := json.NewEncoder(os.Stdout)
	var last report
	for tick := time.Tick(2 * time.Millisecond); ; {
		select {
		case err := <-done:
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		case <-tick:
		}
		now := report{Read: read.Load(), Grouped: grouped.Load()}
		for _, t := range app.Status().Tasks {
			now.Tasks++
			if t.Restoring {
				now.Restoring++
			}
		}
		if now != last {
			out.Encode(now)
			last = now
		}
	}
}

// running is a member as the test sees it.
type running struct {
	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}

	mu      sync.Mutex // guards what follows
	last    report
	changed chan struct{} // closed and replaced with each report
}

func (m member) start(t testing.TB) *running {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(executable), exited: make(chan struct{}), changed: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), memberVariable+"="+string(text))
	r.cmd.Stderr = t.Output()
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.exited)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var now report
			if json.Unmarshal(lines.Bytes(), &now) == nil {
				r.mu.Lock()
				r.last = now
				close(r.changed)
				r.changed = make(chan struct{})
				r.mu.Unlock()
			}
		}
		r.cmd.Wait()
	}()
	t.Cleanup(r.kill)
	return r
}

// await waits until a report satisfies a condition, or limit, unless that is zero, has passed.
func (r *running) await(what string, limit time.Duration, condition func(report) bool) report {
	r.t.Helper()
	var enough <-chan time.Time
	if limit > 0 {
		enough = time.After(limit)
	}
	tooLate := time.After(patience)
	for {
		r.mu.Lock()
		now, changed := r.last, r.changed
		r.mu.Unlock()
		if condition(now) {
			return now
		}
		select {
		case <-changed:
		case <-enough:
			return now
		case <-r.exited:
			r.t.Fatalf("%s: the process has ended: %v", what, r.cmd.ProcessState)
		case <-tooLate:
			r.t.Fatalf("%s: not within %v: %+v", what, patience, now)
		}
	}
}

// kill ends the process as a crash does.
func (r *running) kill() {
	r.cmd.Process.Kill()
	<-r.exited
}

// stop ends the process as a deployment does.
func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.exited:
	case <-time.After(patience):
		r.t.Fatalf("the process did not end within %v", patience)
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		r.t.Fatalf("the process has ended with code %d", code)
	}
}

// logLine is a line of a member's log.
type logLine struct {
	Time    time.Time
	Level   string
	Msg     string
	Task    string
	Store   string
	From    int64
	To      int64
	Reused  bool
	Records int64
	Error   string
	Cause   string
	// Partitions are those of an event.
	Partitions []struct {
		Topic     string
		Partition int32
	}
}

// readLog returns what a member, in all its lives, has logged.
func readLog(t testing.TB, file string) []logLine {
	t.Helper()
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil // never started
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var log []logLine
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line logLine
		// A line may be cut by a kill.
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil {
			log = append(log, line)
		}
	}
	return log
}

// folders returns what identifies the folders of all tasks.
func folders(t testing.TB, stateDir string) map[string]os.FileInfo {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(stateDir, "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	infos := map[string]os.FileInfo{}
	for _, p := range paths {
		if infos[p], err = os.Stat(p); err != nil {
			t.Fatal(err)
		}
	}
	return infos
}
