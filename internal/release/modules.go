package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// goModule is one module of the repository.
type goModule struct {
	// path is the module path.
	path string
	// folder is relative to the root of the repository, with slashes; "" is the root.
	folder string
	file   *modfile.File
	// requires are the modules of the repository that this one requires.
	requires []string
}

// shared are modules below internal that public ones require, and that are published for these.
var shared = []string{"internal/kinesis", "internal/objects", "internal/pubsub"}

// public reports whether programs outside of the repository may require the module.
func (m *goModule) public() bool {
	if slices.Contains(shared, m.folder) {
		return true
	}
	for _, private := range []string{"bench", "examples", "internal"} {
		if m.folder == private || strings.HasPrefix(m.folder, private+"/") {
			return false
		}
	}
	return true
}

// tag returns the name of the Git tag that publishes a version of the module.
func (m *goModule) tag(version string) string {
	if m.folder == "" {
		return version
	}
	return m.folder + "/" + version
}

// findModules returns all modules below root, each behind the modules that it requires.
func findModules(root string) ([]*goModule, error) {
	out, err := git(root, "ls-files", "--cached", "--others", "--exclude-standard", "--", "go.mod", "*/go.mod")
	if err != nil {
		return nil, err
	}
	var all []*goModule
	for _, name := range strings.Fields(out) {
		if strings.Contains(name, "testdata/") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(name, data, nil)
		if err != nil {
			return nil, err
		}
		folder := filepath.ToSlash(filepath.Dir(name))
		if folder == "." {
			folder = ""
		}
		all = append(all, &goModule{path: file.Module.Mod.Path, folder: folder, file: file})
	}
	for _, m := range all {
		for _, r := range m.file.Require {
			if slices.ContainsFunc(all, func(o *goModule) bool { return o.path == r.Mod.Path }) {
				m.requires = append(m.requires, r.Mod.Path)
			}
		}
	}
	return inOrder(all)
}

// inOrder sorts modules so that each comes behind the modules that it requires.
func inOrder(all []*goModule) ([]*goModule, error) {
	var sorted []*goModule
	done := map[string]bool{}
	for len(sorted) < len(all) {
		before := len(sorted)
		for _, m := range all {
			if !done[m.path] && !slices.ContainsFunc(m.requires, func(path string) bool { return !done[path] }) {
				done[m.path] = true
				sorted = append(sorted, m)
			}
		}
		if len(sorted) == before {
			return nil, fmt.Errorf("modules require each other in a circle: %d of %d can be sorted", before, len(all))
		}
	}
	return sorted, nil
}

// requiredVersion returns the version at which all modules require those of the repository.
func requiredVersion(modules []*goModule) (string, error) {
	version, by := "", ""
	for _, m := range modules {
		for _, r := range m.file.Require {
			if !slices.Contains(m.requires, r.Mod.Path) {
				continue
			}
			if version != "" && r.Mod.Version != version {
				return "", fmt.Errorf("%s requires %s, and %s requires %s of %s", by, version, m.path, r.Mod.Version, r.Mod.Path)
			}
			version, by = r.Mod.Version, m.path
		}
	}
	if version == "" {
		return "", fmt.Errorf("no module of %d requires another one of the repository", len(modules))
	}
	return version, nil
}
