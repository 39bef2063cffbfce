# Builds by cmake. They are made in the source folder, unless a spec undefines
# __cmake_in_source_build.
%__cmake                %{_bindir}/cmake
%__ctest                %{_bindir}/ctest
%__cmake_in_source_build 1
%__cmake_builddir       %{?__cmake_in_source_build:.}%{!?__cmake_in_source_build:%{_vpath_builddir}}
%_cmake_lib_suffix64    %["%{_lib}" == "lib64" ? "-DLIB_SUFFIX=64" : ""]
%_cmake_skip_rpath      -DCMAKE_SKIP_RPATH:BOOL=ON

%cmake \
  %{set_build_flags} \
  %{__cmake} \\\
    %{!?__cmake_in_source_build:-S "%{?_vpath_srcdir}%{!?_vpath_srcdir:.}"} \\\
    -B "%{__cmake_builddir}" \\\
    -DCMAKE_VERBOSE_MAKEFILE:BOOL=ON \\\
    -DCMAKE_INSTALL_PREFIX:PATH=%{_prefix} \\\
    -DCMAKE_INSTALL_LIBDIR:PATH=%{_lib} \\\
    -DINCLUDE_INSTALL_DIR:PATH=%{_includedir} \\\
    -DLIB_INSTALL_DIR:PATH=%{_libdir} \\\
    -DSYSCONF_INSTALL_DIR:PATH=%{_sysconfdir} \\\
    -DSHARE_INSTALL_PREFIX:PATH=%{_datadir} \\\
    %{?_cmake_lib_suffix64} \\\
    -DBUILD_SHARED_LIBS:BOOL=ON
%cmake_build            %{__cmake} --build "%{__cmake_builddir}" %{?_smp_mflags} --verbose
%cmake_install          DESTDIR="%{buildroot}" %{__cmake} --install "%{__cmake_builddir}"
%ctest(:-:)             %{__ctest} --test-dir "%{__cmake_builddir}" --output-on-failure --force-new-ctest-process %{?_smp_mflags} %{*}

%cmake3                 %{cmake}
%cmake3_build           %{cmake_build}
%cmake3_install         %{cmake_install}
%ctest3(:-:)            %{ctest %{*}}
