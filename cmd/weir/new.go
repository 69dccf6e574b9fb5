package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/weirstreams/weir/cmd/weir/internal/cli"
)

// skeleton are the files of a new program. A name ends in .tmpl, so that the go command takes them for no package.
//
//go:embed templates
var skeleton embed.FS

// goVersion is the version of Go in a new go.mod: that of Weir.
const goVersion = "1.27"

// newProgram are the values in the templates.
type newProgram struct {
	// Name is the name of program and group, Module the path of the module.
	Name, Module string
	// Env is the prefix of environment variables.
	Env string
	Go  string
	// Require and Replace are lines of go.mod.
	Require, Replace []string
}

// newNames are names of programs: they become names of topics, folders and variables.
var newNames = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func newCommand(s *cli.Session) *cobra.Command {
	var (
		modulePath, checkout string
		dryRun               bool
	)
	command := &cobra.Command{
		Use:   "new DIR",
		Short: "Write a new program: a module with a topology, its test and a command line",
		Long: `Write a new program: a module with a topology, its test and a command line. It compiles and passes its test as it is. The last element of
DIR is its name and the name of its group. Nothing is written over: DIR must not exist, or be empty.`,
		Example: `  weir new word-count
  weir new ./services/orders --module example.com/shop/orders
  weir new word-count --dry-run`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			name := filepath.Base(dir)
			if !newNames.MatchString(name) {
				return cli.Usagef("DIR %q: the name of a program is of small letters, digits and hyphens, and begins with a letter", args[0])
			}
			if modulePath == "" {
				modulePath = name
			}
			if err := module.CheckImportPath(modulePath); err != nil {
				return cli.Usagef("--module: %w", err)
			}
			p := newProgram{Name: name, Module: modulePath, Env: strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_", Go: goVersion}
			if err := p.require(checkout); err != nil {
				return err
			}
			files, err := p.files()
			if err != nil {
				return err
			}
			if err := mustBeEmpty(dir); err != nil {
				return err
			}
			if !dryRun {
				if err := writeFiles(dir, files); err != nil {
					return err
				}
			}
			return printNew(s, args[0], files, dryRun)
		},
	}
	command.Flags().StringVarP(&modulePath, "module", "m", "", "path of the module; the default is the name")
	command.Flags().StringVar(&checkout, "replace", "", "use the Weir of this checkout, by replace directives")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "write nothing: list the files")
	return command
}

const weirModule = "github.com/weirstreams/weir"

// require sets the versions of Weir: those of this program, or a checkout.
func (p *newProgram) require(checkout string) error {
	if checkout == "" {
		if version := cli.Version(); strings.HasPrefix(version, "v") {
			p.Require = []string{weirModule + " " + version, weirModule + "/cmd/weir " + version}
		}
		return nil
	}
	root, err := filepath.Abs(checkout)
	if err != nil {
		return err
	}
	name := filepath.Join(root, "cmd", "weir", "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("--replace: no checkout of Weir: %w", err)
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		return fmt.Errorf("--replace: %w", err)
	}
	line := func(module, dir string) string { return module + " => " + modfile.AutoQuote(filepath.ToSlash(dir)) }
	p.Replace = []string{line(weirModule+"/cmd/weir", filepath.Join(root, "cmd", "weir"))}
	for _, r := range file.Replace {
		if r.New.Version == "" {
			p.Replace = append(p.Replace, line(r.Old.Path, filepath.Join(root, "cmd", "weir", filepath.FromSlash(r.New.Path))))
		}
	}
	return nil
}

// newFile is a file of a new program.
type newFile struct{ name, text string }

func (p *newProgram) files() (files []newFile, err error) {
	entries, err := skeleton.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		t, err := template.ParseFS(skeleton, path.Join("templates", e.Name()))
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		if err := t.Execute(&text, p); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(e.Name(), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		files = append(files, newFile{name, text.String()})
	}
	return files, nil
}

// mustBeEmpty returns an error if there is anything at dir but an empty folder.
func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: it has %s", dir, entries[0].Name())
	}
	return err
}

func writeFiles(dir string, files []newFile) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		file, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = file.WriteString(f.text)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func printNew(s *cli.Session, dir string, files []newFile, dryRun bool) error {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = filepath.Join(dir, f.name)
	}
	if s.JSON() {
		return json.NewEncoder(s.Out).Encode(map[string]any{"files": names, "dry_run": dryRun})
	}
	for _, name := range names {
		fmt.Fprintln(s.Out, name)
	}
	if dryRun {
		return nil
	}
	_, err := fmt.Fprintf(s.Out, "\nNext:\n  cd %s\n  go mod tidy\n  go test ./...\n  go run . --help\n", dir)
	return err
}
