package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connector is a row of the table in connectors.md.
type connector struct{ path, guarantee, on, killed, throughput, page string }

// readConnectors reads the table: path, guarantee, servers of the tests, whether processes are killed, throughput and page.
func readConnectors(t *testing.T) (rows []connector) {
	t.Helper()
	text, err := os.ReadFile("connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `sink/") && !strings.HasPrefix(line, "| `source/") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 6 {
			t.Fatalf("a row with %d cells: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, connector{strings.Trim(cells[0], "`"), cells[1], cells[2], cells[3], cells[4], cells[5]})
	}
	return rows
}

// connectorPackages returns the packages of sinks and sources: those of their folders that are no tools.
func connectorPackages(t *testing.T) (paths []string) {
	t.Helper()
	for _, folder := range []string{"sink", "source"} {
		entries, err := os.ReadDir("../" + folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() && e.Name() != "internal" && e.Name() != folder+"test" {
				paths = append(paths, folder+"/"+e.Name())
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// A negative number in the options is an error of Connect and not a default, whichever connector it is.
func TestConnectorsRefuseNegativeNumbers(t *testing.T) {
	checks := regexp.MustCompile(`\bconnector\.Negative\(|"github\.com/weirstreams/weir/(internal/(filesink|filesource|objects)|sink/internal/influx)"|"github\.com/weirstreams/weir/(source/file|internal/objects/[a-z0-9]+)"`)
	for _, path := range connectorPackages(t) {
		sources, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(path), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(sources, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && !strings.HasSuffix(file, "_test.go") && checks.Match(text)
		}) {
			t.Errorf("%s does not call connector.Negative for its options", path)
		}
	}
}

var (
	connectorPage = regexp.MustCompile(`^\[[A-Za-z0-9 ,]+\]\((connectors/[a-z0-9]+\.md)\)$`)
	// kitCall runs the kit of package sinktest or sourcetest, directly or for files and objects.
	kitCall    = regexp.MustCompile(`\b(sinktest|sourcetest)\.Run[\[(]|\b(objecttest|filetest)\.Run(Sink|Source)\(`)
	benchmark  = regexp.MustCompile(`(?m)^func Benchmark(Sink|Source)\(`)
	killing    = regexp.MustCompile(`(?m)^func TestKilled`)
	throughput = regexp.MustCompile(`^[0-9]+\.[0-9]+( to [0-9]+\.[0-9]+)?$`)
)

// The table of connectors has each of them, with a page about it, a test of its promises, and a benchmark and kills where the table says so.
func TestTheTableOfConnectorsIsTrue(t *testing.T) {
	rows := readConnectors(t)
	var paths []string
	for _, r := range rows {
		paths = append(paths, r.path)
	}
	if !slices.IsSorted(paths) {
		t.Errorf("the rows are not sorted: %q", paths)
	}
	if diff := cmp.Diff(connectorPackages(t), paths); diff != "" {
		t.Errorf("packages without rows, and rows without packages (-packages +rows):\n%s", diff)
	}
	all := files(t, "..", "_test.go")
	for _, r := range rows {
		t.Run(r.path, func(t *testing.T) {
			if r.guarantee == "" || r.on == "" {
				t.Error("the row says nothing of the guarantee, or of the servers of the tests")
			}
			link := connectorPage.FindStringSubmatch(r.page)
			if link == nil {
				t.Fatalf("%q is no link to a page", r.page)
			}
			page, err := os.ReadFile(link[1])
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(page), "`"+r.path+"`") {
				t.Errorf("%s does not speak of `%s`", link[1], r.path)
			}
			var kit, measured, killed bool
			for path, text := range all {
				own := filepath.Dir(path) == filepath.Join("..", filepath.FromSlash(r.path))
				kit = kit || own && kitCall.MatchString(text)
				measured = measured || own && benchmark.MatchString(text)
				killed = killed || killing.MatchString(text) && strings.Contains(text, `"github.com/weirstreams/weir/`+r.path+`"`)
			}
			if !kit {
				t.Error("no test runs the kit")
			}
			if says := r.killed == "yes"; says != killed || !says && r.killed != "no" {
				t.Errorf("the table says %q of kills, and a test with them: %v", r.killed, killed)
			}
			if says := throughput.MatchString(r.throughput); says && !measured || !says && r.throughput != "not measured" {
				t.Errorf("the table says %q of the throughput, and a benchmark: %v", r.throughput, measured)
			}
		})
	}
}
