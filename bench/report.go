package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report has all measurements, and describes the machine.
type report struct {
	Time       time.Time         `json:"time"`
	Machine    string            `json:"machine"`
	Go         string            `json:"go"`
	Versions   map[string]string `json:"versions"`
	Data       string            `json:"data"`
	Records    int               `json:"records"`
	Partitions int               `json:"partitions"`
	Workers    int               `json:"workers"` // of Weir; 0 is GOMAXPROCS
	Runs       []run             `json:"runs"`
}

func newReport(o options) *report {
	return &report{
		Time: time.Now().UTC(), Machine: machine(), Go: runtime.Version(), Versions: versions(),
		Data: o.data.String(), Records: o.n, Partitions: o.partitions, Workers: o.workers,
	}
}

// machine describes the processor, as far as the system says.
func machine() string {
	model := "processor not named"
	if file, err := os.Open("/proc/cpuinfo"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d CPUs, %s/%s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// versions returns the versions of the compared libraries.
func versions() map[string]string {
	v := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, module := range info.Deps {
		switch module.Path {
		case "github.com/IBM/sarama", "github.com/cockroachdb/pebble/v2", "github.com/bytedance/sonic",
			"github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kfake":
			v[filepath.Base(strings.TrimSuffix(module.Path, "/v2"))] = module.Version
		}
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		v["weir"] = revision[:min(12, len(revision))]
		if settings["vcs.modified"] == "true" {
			v["weir"] += " with changes"
		}
	}
	return v
}

// floorOf names the scenario that another is compared with.
func floorOf(scenario string) string {
	implementation, name, _ := strings.Cut(scenario, " ")
	if implementation == "floor" {
		return ""
	}
	return "floor " + name
}

// print writes the medians as a table.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "\n%s; %s\n", r.Machine, r.Go)
	var names []string
	for name, version := range r.Versions {
		names = append(names, name+" "+version)
	}
	slices.Sort(names)
	fmt.Fprintln(out, strings.Join(names, "; "))
	fmt.Fprintf(out, "%d records, %d partitions, %d run(s), medians; data: %s\n\n", r.Records, r.Partitions, len(r.of(order[0])), r.Data)

	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\trecords\tCPU s/M\tmin..max\twall s/M\trecords/s\tCPU / floor\twall / floor\tbroker CPU s/M\tallocs/record\tbytes/record\tresults\t")
	for _, scenario := range order {
		runs := r.of(scenario)
		if len(runs) == 0 {
			continue
		}
		cpu, wall := r.median(scenario, cpuOf), r.median(scenario, wallOf)
		cpuRatio, wallRatio := "", ""
		if floor := floorOf(scenario); floor != "" {
			cpuRatio = fmt.Sprintf("%.2f", cpu/r.median(floor, cpuOf))
			wallRatio = fmt.Sprintf("%.2f", wall/r.median(floor, wallOf))
		}
		cpus := values(runs, cpuOf)
		fmt.Fprintf(w, "%s\t%d\t%.2f\t%.2f..%.2f\t%.2f\t%.0f\t%s\t%s\t%.2f\t%.1f\t%.0f\t%d\t\n",
			scenario, runs[0].Records, cpu, cpus[0], cpus[len(cpus)-1], wall, 1e6/wall, cpuRatio, wallRatio,
			r.median(scenario, func(r run) float64 { return perMillion(r, r.BrokerCPU) }),
			r.median(scenario, func(r run) float64 { return float64(r.Allocs) / float64(r.Records) }),
			r.median(scenario, func(r run) float64 { return float64(r.AllocBytes) / float64(r.Records) }),
			runs[0].Output.Records)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\ns/M: seconds per million records of the input. The outputs of a kind were compared and are equal.")
	return err
}

func (r *report) of(scenario string) []run {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(one run) bool { return one.Scenario != scenario })
}

func perMillion(r run, d time.Duration) float64 { return d.Seconds() * 1e6 / float64(r.Records) }
func cpuOf(r run) float64                       { return perMillion(r, r.CPU) }
func wallOf(r run) float64                      { return perMillion(r, r.Wall) }

// values returns one figure of each run, in ascending order.
func values(runs []run, of func(run) float64) []float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	slices.SortFunc(v, cmp.Compare)
	return v
}

func (r *report) median(scenario string, of func(run) float64) float64 {
	v := values(r.of(scenario), of)
	middle := len(v) / 2
	if len(v)%2 == 1 {
		return v[middle]
	}
	return (v[middle-1] + v[middle]) / 2
}

// save writes the report to a folder.
func (r *report) save(folder string) (string, error) {
	path := filepath.Join(folder, r.Time.Format("20060102-150405")+".json")
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, append(data, '\n'), 0o644)
}
