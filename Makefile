# Shorthand for the presets of CMakePresets.json; everything is under build/<preset>.
all: release
release debug asan tsan fuzz coverage bench cpu ci:
	cmake --workflow --preset $@
check:
	script/test
format:
	find src tools include tests bench examples -name '*.[ch]' | xargs clang-format-14 -i
size:
	scripts/size.sh
clean:
	rm -rf build
.PHONY: all release debug asan tsan fuzz coverage bench cpu ci check format size clean
