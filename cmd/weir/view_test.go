package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weirstreams/weir/internal/kafkatest"
)

// run --view prints the address of the page and serves it until the program is told to stop.
func TestAProgramServesItsLiveView(t *testing.T) {
	kafkatest.Parallel(t)
	cluster := kafkatest.Start(t)
	dir, environment := t.TempDir(), []string{"BROKERS=" + strings.Join(cluster.Brokers, ","), "PREFIX=" + cluster.Name("cli") + "-"}
	if out := shell(t, dir, "words topic create lines", environment...); strings.Contains(out, "exit") {
		t.Fatal(out)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, "run", "--view", "127.0.0.1:0")
	c.Dir, c.Env = dir, append(append(os.Environ(), command+"=words"), environment...)
	errors, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(errors)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, found := strings.CutPrefix(strings.TrimSpace(line), "live view at ")
	if !found {
		t.Fatalf("the program says %q", line)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	if closed := answer.Body.Close(); err != nil || closed != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(page), "<svg") {
		t.Errorf("%v %v %s %s", err, closed, answer.Status, page)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, rest)
	}
}
