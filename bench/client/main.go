// Client measures the cost of Weir's data path beside sarama's channels and franz-go: the CPU time of a client process
// for each record, with a broker in another process.
//
//	go run . [-records 1000000] [-runs 5] [-only fetch,produce]
//
// All clients do the same work. Producers make fresh records of an 8-byte key and a 100-byte value, choose the partition
// by the murmur2 hash of the key, are idempotent, wait for all replicas, and count acknowledgements. Consumers read the
// same topics and add up the lengths of keys and values. Each measurement is a process of its own; the clients take
// turns within a run, so that other load of the machine falls on all of them.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

var (
	records = flag.Int("records", 1_000_000, "records of each measurement")
	runs    = flag.Int("runs", 5, "runs, of which the medians count")
	only    = flag.String("only", "fetch,produce", "what to measure")

	// Flags for the processes that this one starts.
	child      = flag.String("child", "", "")
	brokers    = flag.String("brokers", "", "")
	topic      = flag.String("topic", "", "")
	partitions = flag.Int("partitions", 1, "")
	profile    = flag.String("profile", "", "directory for CPU profiles of Weir's clients")
)

// measurement is the cost of a client.
type measurement struct {
	CPU, Wall time.Duration
	Mallocs   uint64
	Bytes     uint64
}

func main() {
	flag.Parse()
	var err error
	switch {
	case *child == "broker":
		err = serve()
	case *child != "":
		err = measure(*child)
	default:
		err = compare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

// compare runs everything in turns and prints the medians.
func compare() error {
	server, err := startBroker()
	if err != nil {
		return err
	}
	defer server.stop()
	results := make(map[string][]measurement)
	var names []string
	for run := range *runs {
		for _, n := range []int{1, 4} {
			for _, path := range paths {
				kind, _, _ := strings.Cut(path, " ")
				if !strings.Contains(*only, kind) {
					continue
				}
				name := fmt.Sprintf("%s, %d", path, n)
				m, err := server.run(path, n, run)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if run == 0 {
					names = append(names, name)
				}
				results[name] = append(results[name], m)
			}
		}
	}
	fmt.Printf("%d records of 108 bytes, %d runs; CPU and wall time in ns for each record\n\n", *records, *runs)
	fmt.Println("| client, partitions | CPU median | CPU min | wall median | allocations | bytes |")
	fmt.Println("|---|---|---|---|---|---|")
	per := func(n uint64) float64 { return float64(n) / float64(*records) }
	for _, name := range names {
		m := results[name]
		fmt.Printf("| %s | %.0f | %.0f | %.0f | %.2f | %.0f |\n", name, per(uint64(median(m, cpu))), per(uint64(cpu(slices.MinFunc(m, func(a, b measurement) int { return int(a.CPU - b.CPU) })))),
			per(uint64(median(m, func(m measurement) time.Duration { return m.Wall }))),
			per(uint64(median(m, func(m measurement) time.Duration { return time.Duration(m.Mallocs) }))),
			per(uint64(median(m, func(m measurement) time.Duration { return time.Duration(m.Bytes) }))))
	}
	fmt.Println("\n| CPU of Weir / CPU of | 1 partition | 4 partitions | wanted |")
	fmt.Println("|---|---|---|---|")
	for _, want := range []struct {
		kind, peer string
		ratio      float64
	}{{"fetch", "sarama", 0.5}, {"fetch", "franz-go", 1}, {"produce", "sarama", 0.25}, {"produce", "franz-go", 1.1}} {
		if !strings.Contains(*only, want.kind) {
			continue
		}
		fmt.Printf("| %s: %s |", want.kind, want.peer)
		for _, n := range []int{1, 4} {
			ours := median(results[fmt.Sprintf("%s weir, %d", want.kind, n)], cpu)
			theirs := median(results[fmt.Sprintf("%s %s, %d", want.kind, want.peer, n)], cpu)
			fmt.Printf(" %.2f |", float64(ours)/float64(theirs))
		}
		fmt.Printf(" <= %.2f |\n", want.ratio)
	}
	return nil
}

func cpu(m measurement) time.Duration { return m.CPU }

func median(m []measurement, of func(measurement) time.Duration) time.Duration {
	values := make([]time.Duration, len(m))
	for i := range m {
		values[i] = of(m[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// server is the broker's process.
type server struct {
	process *exec.Cmd
	addr    string
	filled  map[int]bool // topics to read, by number of partitions
}

func startBroker() (*server, error) {
	s := &server{process: exec.Command(os.Args[0], "-child", "broker"), filled: make(map[int]bool)}
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// The broker ends when its input does, however this process ends.
	if _, err := s.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	s.addr = strings.TrimSpace(line)
	return s, err
}

func (s *server) stop() {
	s.process.Process.Kill()
	s.process.Wait()
}

// run measures a client in a process of its own.
func (s *server) run(path string, partitions, run int) (measurement, error) {
	kind, _, _ := strings.Cut(path, " ")
	topic := fmt.Sprintf("read-%d", partitions)
	if kind == "produce" {
		topic = fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(path, " ", "-"), partitions, run)
	}
	if kind == "produce" || !s.filled[partitions] {
		if err := s.admin(func(a sarama.ClusterAdmin) error {
			return a.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1}, false)
		}); err != nil {
			return measurement{}, err
		}
	}
	if kind == "fetch" && !s.filled[partitions] {
		if _, err := s.execute("fill", topic, partitions); err != nil {
			return measurement{}, err
		}
		s.filled[partitions] = true
	}
	m, err := s.execute(path, topic, partitions)
	if kind == "produce" && err == nil {
		err = s.admin(func(a sarama.ClusterAdmin) error { return a.DeleteTopic(topic) })
	}
	return m, err
}

func (s *server) execute(path, topic string, partitions int) (m measurement, err error) {
	command := exec.Command(os.Args[0], "-child", path, "-brokers", s.addr, "-topic", topic,
		"-partitions", fmt.Sprint(partitions), "-records", fmt.Sprint(*records), "-profile", *profile)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

func (s *server) admin(use func(sarama.ClusterAdmin) error) error {
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin([]string{s.addr}, conf)
	if err != nil {
		return err
	}
	defer admin.Close()
	return use(admin)
}

// cpuTime is the CPU time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
