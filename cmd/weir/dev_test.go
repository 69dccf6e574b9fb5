package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// startDev starts weir dev, and returns its first line of output as JSON and a function that ends it.
func startDev(t *testing.T, args ...string) (brokers string, topics []devTopic, end func()) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, append([]string{"dev", "--port", "0", "--output", "json"}, args...)...)
	c.Env = append(os.Environ(), command+"=weir")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("weir dev printed %q: %v, %v", line, err, c.Wait())
	}
	var printed struct {
		Brokers    []string
		Topics     []devTopic
		Production bool
	}
	if err := json.Unmarshal([]byte(line), &printed); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if printed.Production {
		t.Error("weir dev calls itself fit for production")
	}
	return strings.Join(printed.Brokers, ","), printed.Topics, func() {
		t.Helper()
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("weir dev ended with: %v", err)
		}
	}
}

func TestTheBrokerForDevelopmentKeepsItsRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inventory := filepath.Join(dir, "inventory.json")
	if err := os.WriteFile(inventory, []byte(`{"streams": [
		{"id": "lines", "inputs": ["lines"], "repartitions": [{"topic": "repartition__GROUP--lines--word"}]},
		{"id": "word", "inputs": ["repartition__GROUP--lines--word"]}], "globals": ["names"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	brokers, topics, end := startDev(t, "--data", data, "--topic", "orders:3", "--inventory", inventory, "--partitions", "2")
	if diff := cmp.Diff([]devTopic{{"orders", 3}, {"lines", 2}, {"names", 2}}, topics); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	write := shell(t, dir, "echo first | weir topic produce lines", "KAFKA_BOOTSTRAP_SERVERS="+brokers)
	if want := "1 record written to lines\n"; write != want {
		t.Errorf("printed %q, want %q", write, want)
	}
	end()
	brokers, topics, end = startDev(t, "--data", data, "--topic", "orders:7", "--topic", "more")
	defer end()
	if diff := cmp.Diff([]devTopic{{"orders", 3}, {"more", 1}}, topics); diff != "" {
		t.Errorf("topics after a restart (-want +got):\n%s", diff)
	}
	if read := shell(t, dir, "weir topic tail lines", "KAFKA_BOOTSTRAP_SERVERS="+brokers); !strings.Contains(read, `"first"`) {
		t.Errorf("after a restart the topic holds %q", read)
	}
}

func TestMistakesInTheFlagsOfDev(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte(`{"streamz": []}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--topic a:none":       "weir: --topic \"a:none\": give NAME or NAME:PARTITIONS\nSee weir dev --help for flags and examples.\nexit 2\n",
		"--partitions 0":       "weir: --partitions 0: a topic has at least one\nSee weir dev --help for flags and examples.\nexit 2\n",
		"--inventory bad.json": "weir: inventory bad.json: json: unknown field \"streamz\"\nexit 1\n",
	} {
		if got := shell(t, dir, "weir dev --port 0 "+args); got != want {
			t.Errorf("weir dev %s printed %q, want %q", args, got, want)
		}
	}
}
