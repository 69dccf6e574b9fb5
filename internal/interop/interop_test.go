//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
)

// clients are the programs. They are called with:
//
//	write|read BROKERS REGISTRY PREFIX FORMAT=COUNT,...
//
// write puts the value of each format into PREFIXin-FORMAT, once. read expects COUNT records in PREFIXout-FORMAT, all with
// that value.
var clients = []struct {
	name    string
	command []string
}{
	{"node", []string{"node", "clients/interop.js"}},
	{"java", []string{"java", "-cp", env("WEIR_INTEROP_JARS"), "-XX:TieredStopAtLevel=1", "clients/Interop.java"}},
	{"python", []string{"python3", "-W", "ignore", "clients/interop.py"}},
}

const (
	keys          = 10_000 // that the Java client writes
	keyPartitions = 12
)

func env(name string) string {
	v := os.Getenv(name)
	if v == "" {
		panic(name + " is not set: run .ci/run interop")
	}
	return v
}

// TestOtherClientsReadWhatWeirWritesAndTheOtherWayRound goes through all formats and clients. The Java client also checks
// that keys are in the partitions that it would choose.
func TestOtherClientsReadWhatWeirWritesAndTheOtherWayRound(t *testing.T) {
	brokers := strings.Split(env("WEIR_TEST_BROKERS"), ",")
	prefix := fmt.Sprintf("interop-%d-", time.Now().UnixNano())
	registryURL := env("WEIR_TEST_REGISTRY")
	checkCompatibility(t, registryURL)
	t.Setenv("WEIR_INTEROP_DESCRIPTORS", descriptors(t))

	topology, formats := topology(t, registryURL)
	createTopics(t, brokers, prefix, append(formats, "keys"))
	run(t.Context(), t, "write", brokers, registryURL, prefix, formats)
	app, err := runtime.New(topology, runtime.Config{
		Connection: kafka.Connection{Brokers: brokers}, Prefix: prefix, Group: "weir", State: runtime.StateConfig{InMemory: true}, IgnoreSignals: true, Checkpoint: runtime.CheckpointConfig{Interval: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := app.Run(ctx)
		stop()
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	run(ctx, t, "read", brokers, registryURL, prefix, formats)
	checkSubjects(t, registryURL, prefix, formats)
}

// checkSubjects checks that Weir has registered schemas under the names that the clients use: those of the topics with Config.Prefix.
func checkSubjects(t *testing.T, registryURL, prefix string, formats []string) {
	t.Helper()
	checked := 0
	for _, f := range formats {
		if !strings.HasSuffix(f, "-registry") {
			continue
		}
		subject := prefix + "out-" + f + "-value"
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, registryURL+"/subjects/"+subject+"/versions/latest", nil)
		fatal(t, err)
		response, err := http.DefaultClient.Do(request)
		fatal(t, err)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("subject %s: %s", subject, response.Status)
		}
		checked++
	}
	if checked == 0 {
		t.Error("no format has a subject")
	}
}

// checkCompatibility makes the registry refuse schemas that cannot read what is there, which is what the client for Node
// wants it to do.
func checkCompatibility(t *testing.T, registryURL string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, registryURL+"/config", strings.NewReader(`{"compatibility":"BACKWARD"}`))
	fatal(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	fatal(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("set the compatibility: %s", response.Status)
	}
}

// run runs all clients until ctx ends: readers at once, and writers one after the other. The registry compares each schema with the
// one before, and cannot compare a text with the serialized descriptor that Python registers, so Python writes last. Node refuses a subject
// without the compatibility of the registry, which Java changes, so Node writes first.
func run(ctx context.Context, t *testing.T, mode string, brokers []string, registry, prefix string, formats []string) {
	t.Helper()
	var wait sync.WaitGroup
	for _, c := range clients {
		if mode == "write" {
			wait.Wait()
		}
		wait.Go(func() {
			var list []string
			for _, f := range formats {
				list = append(list, fmt.Sprintf("%s=%d", f, len(clients)))
			}
			args := append(slices.Clone(c.command), mode, strings.Join(brokers, ","), registry, prefix, strings.Join(list, ","))
			ctx, cancel := context.WithTimeout(ctx, 140*time.Second)
			defer cancel()
			began := time.Now()
			out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
			if err != nil {
				t.Errorf("%s %s: %v\n%s", c.name, mode, err, out)
				return
			}
			t.Logf("%s: %s %d formats in %v", c.name, mode, len(formats), time.Since(began).Round(time.Millisecond))
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func createTopics(t *testing.T, brokers []string, prefix string, names []string) {
	t.Helper()
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, name := range names {
		n := int32(1)
		if name == "keys" {
			n = keyPartitions
		}
		for _, direction := range []string{"in-", "out-"} {
			if err := admin.CreateTopic(prefix+direction+name, &sarama.TopicDetail{NumPartitions: n, ReplicationFactor: 1}, false); err != nil {
				t.Fatal(err)
			}
		}
	}
}
