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

// run --view and --probes print their addresses, and serve until the program is told to stop.
func TestAProgramServesItsLiveViewAndItsProbes(t *testing.T) {
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
	c := exec.CommandContext(t.Context(), binary, "run", "--view", "127.0.0.1:0", "--probes", "127.0.0.1:0")
	c.Dir, c.Env = dir, append(append(os.Environ(), command+"=words"), environment...)
	errors, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(errors)
	address := func(of string) string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		address, found := strings.CutPrefix(strings.TrimSpace(line), of+" at ")
		if !found {
			t.Fatalf("the program says %q, and not the address of %s", line, of)
		}
		return address
	}
	get := func(url string) (status int, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(answer.Body)
		if closed := answer.Body.Close(); err != nil || closed != nil {
			t.Fatal(err, closed)
		}
		return answer.StatusCode, string(data)
	}
	page, probes := address("live view"), address("/healthz and /readyz")
	if status, body := get(page); status != http.StatusOK || !strings.Contains(body, "<svg") {
		t.Errorf("live view: %d %s", status, body)
	}
	if status, body := get(probes + "healthz"); status != http.StatusOK || !strings.Contains(body, `"ok":true`) {
		t.Errorf("/healthz: %d %s", status, body)
	}
	for {
		if status, _ := get(probes + "readyz"); status == http.StatusOK { // 503 until the group has assigned partitions
			break
		}
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
