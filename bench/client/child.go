package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/weirstreams/weir/internal/murmur2"
)

// paths are the compared clients. "bare" is sarama's Broker.Fetch in a loop: the least cost of the
// client as it is. Weir sends the same requests and decodes the answers itself.
var paths = []string{
	"fetch weir", "fetch sarama", "fetch franz-go", "fetch bare",
	"produce weir", "produce sarama", "produce franz-go",
}

// serve runs a broker in memory until its input ends.
func serve() error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Println(cluster.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// measure runs a client and prints its cost.
func measure(path string) error {
	client := map[string]func() error{
		"fill":       fillTopic,
		"fetch weir": fetchWeir, "fetch sarama": fetchSarama, "fetch franz-go": fetchFranz,
		"fetch bare":   fetchBare,
		"produce weir": produceWeir, "produce sarama": produceSarama, "produce franz-go": produceFranz,
	}[path]
	if *profile != "" && strings.Contains(path, "weir") {
		name := fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(path, " ", "-"), *partitions)
		file, err := os.Create(filepath.Join(*profile, name))
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun, used := time.Now(), cpuTime()
	if err := client(); err != nil {
		return err
	}
	m := measurement{CPU: cpuTime() - used, Wall: time.Since(begun)}
	runtime.ReadMemStats(&after)
	m.Mallocs, m.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return json.NewEncoder(os.Stdout).Encode(m)
}

const (
	keyBytes   = 8
	valueBytes = 100
	slabSize   = 1000 // records of which memory is allocated at once, by every producer
)

// source makes records, in memory that is never used again.
type source struct {
	next int
	slab []byte
}

// record returns a key and a value that no other record has.
func (s *source) record() (key, value []byte) {
	const size = keyBytes + valueBytes
	if len(s.slab) == 0 {
		s.slab = make([]byte, slabSize*size)
	}
	key, value, s.slab = s.slab[:keyBytes:keyBytes], s.slab[keyBytes:size:size], s.slab[size:]
	binary.BigEndian.PutUint64(key, uint64(s.next)*0x9e3779b97f4a7c15)
	copy(value, template)
	binary.BigEndian.PutUint64(value[20:], uint64(s.next))
	s.next++
	return key, value
}

var template = strings.Repeat("0123456789", valueBytes/10)

func partitionOf(key []byte) int32 { return murmur2.Partition(key, int32(*partitions)) }

func want(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: got %d, want %d", what, got, want)
	}
	return nil
}
